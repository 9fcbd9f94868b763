"""Words that are said exactly, as sound. This is the package's public interface."""

from gateway.prompts.files import read_sound
from gateway.prompts.library import Library, Sound
from gateway.prompts.settings import EMBEDDED, Prompt, PromptSettings, SpeechService, Words

__all__ = ["EMBEDDED", "Library", "Prompt", "PromptSettings", "Sound", "SpeechService", "Words", "read_sound"]
