"""Sound files as PCM16, mono, 24 kHz: WAV, FLAC, MP3 and what else FFmpeg reads (by PyAV, which aiortc brings)."""

from __future__ import annotations

from pathlib import Path

HZ = 24000
LONGEST_SECONDS = 300.0


def read_sound(path: Path) -> bytes:
    """Raises OSError; ValueError for what is no sound, has more than one channel, or is longer than five minutes."""
    import av

    parts: list[bytes] = []
    length = 0
    try:
        with av.open(str(path)) as file:
            if not file.streams.audio:
                raise ValueError(f"{path} has no sound in it")
            stream = file.streams.audio[0]
            if stream.channels != 1:
                raise ValueError(f"{path} has {stream.channels} channels; a telephone has one: mix it down")
            resampler = av.AudioResampler(format="s16", layout="mono", rate=HZ)
            for frame in (*file.decode(stream), None):
                for made in resampler.resample(frame):
                    parts.append(made.to_ndarray().tobytes())
                    length += made.samples
                    if length > LONGEST_SECONDS * HZ:
                        raise ValueError(f"{path} is longer than {LONGEST_SECONDS:g} s")
    except av.FFmpegError as error:
        if isinstance(error, OSError) and not path.exists():
            raise FileNotFoundError(2, "no such file or directory", str(path)) from error
        raise ValueError(f"{path} is no sound that can be read: {str(error.strerror or error).lower()}") from error
    if not length:
        raise ValueError(f"{path} has no sound in it")
    return b"".join(parts)
