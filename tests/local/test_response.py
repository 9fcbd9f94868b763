import numpy as np

from gateway.local.audio import FORMATS
from gateway.local.brain import Reply
from gateway.local.response import SPEEDUP, Response


def response(reply, ms=1000, modalities=("audio",)):
    serial = iter(range(1, 99))
    return Response(
        id="resp_1",
        config={"output_modalities": list(modalities), "metadata": {"a": "b"}},
        reply=reply,
        audio=np.zeros(24 * ms, np.int16),
        format=FORMATS["audio/pcm"],
        new_id=lambda kind: f"{kind}_{next(serial)}",
        conversation_id="conv_1",
        input_tokens=3,
    )


def types(steps):
    return [step["type"] for step in steps if isinstance(step, dict)]


def test_the_order_of_a_spoken_response_with_a_call():
    steps = list(response(Reply("one two", (("f", {"x": 1}),)), 200).play())
    assert types(steps) == [
        "response.created",
        "response.output_item.added", "conversation.item.added", "response.content_part.added",
        "response.output_audio_transcript.delta", "response.output_audio.delta",
        "response.output_audio_transcript.delta", "response.output_audio.delta",
        "response.output_audio.done", "response.output_audio_transcript.done", "response.content_part.done",
        "conversation.item.done", "response.output_item.done",
        "response.output_item.added", "conversation.item.added",
        "response.function_call_arguments.delta", "response.function_call_arguments.done",
        "conversation.item.done", "response.output_item.done",
        "response.done",
    ]  # fmt: skip
    done = next(step for step in reversed(steps) if isinstance(step, dict))["response"]
    assert (done["status"], done["metadata"], len(done["output"])) == ("completed", {"a": "b"}, 2)
    assert done["usage"]["output_token_details"]["audio_tokens"] == 4


def test_audio_comes_faster_than_it_is_spoken():
    waits = [step for step in response(Reply("a b c d"), 3000).play() if isinstance(step, float)]
    assert abs(sum(waits) - 3.0 / SPEEDUP) < 1e-9


def test_a_cancelled_one_goes_straight_to_its_end_and_calls_nothing():
    one = response(Reply("a b c d e f g h i j", (("f", {}),)), 1000)
    steps, seen = [], 0
    for step in one.play():
        steps.append(step)
        seen += isinstance(step, float)
        if seen == 3:
            one.cancel("turn_detected")
    assert types(steps).count("response.output_audio.delta") == 3
    assert "response.function_call_arguments.done" not in types(steps)
    done = steps[-1]["response"]
    assert (done["status"], done["status_details"]["reason"]) == ("cancelled", "turn_detected")
    assert done["output"][0]["status"] == "incomplete"
    assert done["output"][0]["content"][0]["transcript"] == "a b c"


def test_text_only():
    steps = list(response(Reply("one two"), 0, ["text"]).play())
    assert "response.output_text.delta" in types(steps)
    assert not [kind for kind in types(steps) if "audio" in kind]
