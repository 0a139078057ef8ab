"""Real files of many kinds, made by the codecs themselves."""

import io
import wave

import av
import numpy as np
import pytest

from services.common.errors import ProblemError
from services.talkinghead.audio.decode import FEATURE_RATE_HZ, decode_speech, encode_speech


def tone(seconds: float, rate_hz: int, channels: int = 1, level: float = 0.3) -> np.ndarray:
    one = level * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate_hz)) / rate_hz)
    return np.repeat(one[None], channels, 0).astype(np.float32)


def sound_file(
    samples: np.ndarray,
    rate_hz: int,
    container: str,
    codec: str,
    *,
    picture: bool = False,
    options: dict[str, str] | None = None,
) -> bytes:
    target = io.BytesIO()
    with av.open(target, "w", format=container) as output:
        layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(samples)]
        sound = output.add_stream(codec, rate=rate_hz, layout=layout, options=options or {})
        video = output.add_stream("libx264", rate=25) if picture else None
        if video is not None:
            video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
            for _ in range(5):
                output.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
            output.mux(video.encode(None))
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate_hz, 0
        resampler = av.AudioResampler(format=sound.format, layout=layout, rate=rate_hz, frame_size=sound.frame_size)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(sound.encode(part))
        output.mux(sound.encode(None))
    return target.getvalue()


def plain_wav(samples: int) -> bytes:
    """Zeros at 8 kHz."""
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(2 * samples))
    return target.getvalue()


@pytest.mark.parametrize(
    ("container", "codec", "rate_hz", "channels"),
    [
        ("wav", "pcm_s16le", 8000, 1),
        ("wav", "pcm_f32le", 48_000, 2),
        ("flac", "flac", 44_100, 2),
        ("mp3", "libmp3lame", 44_100, 1),
        ("mp4", "aac", 22_050, 1),
        ("ogg", "libopus", 48_000, 2),
    ],
)
def test_any_format_becomes_16_khz_mono_of_the_same_length(container, codec, rate_hz, channels):
    audio = decode_speech(sound_file(tone(1.5, rate_hz, channels), rate_hz, container, codec), 60)

    assert audio.duration_s == pytest.approx(1.5, abs=0.05)
    assert len(audio.samples) == -(-round(audio.duration_s * rate_hz) * FEATURE_RATE_HZ // rate_hz)
    assert audio.channels == channels
    spectrum = np.abs(np.fft.rfft(audio.samples))
    assert np.argmax(spectrum) * FEATURE_RATE_HZ / len(audio.samples) == pytest.approx(440, abs=2)
    assert audio.warnings == []


@pytest.mark.parametrize(
    ("container", "codec", "rate_hz", "channels", "options", "track"),
    [
        ("mp3", "libmp3lame", 8000, 1, {}, (8000, 1)),
        ("mp3", "libmp3lame", 44_100, 2, {"q:a": "7", "write_xing": "1"}, (44_100, 2)),
        ("mp3", "libmp3lame", 44_100, 2, {"q:a": "7", "write_xing": "0"}, (44_100, 2)),
        ("flac", "flac", 96_000, 6, {}, (48_000, 2)),
        ("ogg", "libopus", 48_000, 1, {"b": "12k"}, (48_000, 1)),
        ("webm", "libopus", 48_000, 2, {}, (48_000, 2)),
        ("wav", "pcm_u8", 11_025, 1, {}, (11_025, 1)),
        ("wav", "pcm_s24le", 192_000, 2, {}, (48_000, 2)),
    ],
    ids=["8 kHz mp3", "VBR mp3", "VBR mp3 without a header", "96 kHz 5.1", "12 kbit opus", "webm", "8 bit", "192 kHz"],
)
def test_odd_files_are_heard_whole_and_keep_what_their_sound_track_can(
    *, container: str, codec: str, rate_hz: int, channels: int, options: dict[str, str], track: tuple[int, int]
):
    samples = tone(1.2, rate_hz, channels)
    audio = decode_speech(sound_file(samples, rate_hz, container, codec, options=options), 60)

    assert audio.duration_s == pytest.approx(1.2, abs=0.15 if codec == "libmp3lame" else 0.03)
    assert abs(len(audio.samples) / FEATURE_RATE_HZ - audio.duration_s) < 1e-3
    assert (audio.sample_rate_hz, audio.channels) == track
    spectrum = np.abs(np.fft.rfft(audio.samples))
    assert np.argmax(spectrum) * FEATURE_RATE_HZ / len(audio.samples) == pytest.approx(440, abs=2)


def test_a_voice_on_one_channel_alone_is_heard():
    samples = np.stack([tone(1, 44_100)[0], np.zeros(44_100, np.float32)])
    audio = decode_speech(sound_file(samples, 44_100, "wav", "pcm_s16le"), 60)
    assert 0.1 < np.abs(audio.samples).max() < 0.31


def test_the_sound_track_keeps_rate_and_channels_and_is_as_long_as_the_speech():
    audio = decode_speech(sound_file(tone(1.25, 44_100, 2), 44_100, "wav", "pcm_s16le"), 60)
    with av.open(io.BytesIO(audio.soundtrack)) as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.rate, stream.codec_context.channels) == (44_100, 2)
        decoded = sum(frame.samples for frame in container.decode(stream)) / 44_100
    assert 1.25 <= decoded < 1.25 + 0.05


def test_a_video_gives_its_sound_and_a_warning():
    audio = decode_speech(sound_file(tone(1, 16_000), 16_000, "mp4", "aac", picture=True), 60)
    assert audio.duration_s == pytest.approx(1, abs=0.01)
    assert audio.warnings == ["speech is a video: its sound is used, its pictures are not"]


def test_a_cut_file_is_used_as_far_as_it_goes():
    whole = sound_file(tone(2, 16_000), 16_000, "flac", "flac")
    audio = decode_speech(whole[: len(whole) // 2], 60)
    assert 0.3 < audio.duration_s < 2


def test_a_file_whose_sound_changes_its_form_is_used_as_far_as_that():
    """Its rate and its channels."""
    first = sound_file(tone(1, 16_000), 16_000, "adts", "aac")
    second = sound_file(tone(1, 44_100, 2), 44_100, "adts", "aac")

    audio = decode_speech(first + second, 60)

    assert audio.duration_s == pytest.approx(1.1, abs=0.1)
    assert audio.warnings == [f"speech is damaged after {audio.duration_s:.1f} s; what comes before is used"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "audio_empty"),
        (b"Dear diary, this is no sound.\n" * 40, "unsupported_media"),
        (b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n", "unsupported_media"),
        (sound_file(tone(1, 16_000, level=0), 16_000, "wav", "pcm_s16le"), "audio_silent"),
        (sound_file(tone(1, 16_000, level=5e-4), 16_000, "wav", "pcm_s16le"), "audio_silent"),
        (sound_file(tone(4, 8000), 8000, "wav", "pcm_s16le"), "audio_too_long"),
        (plain_wav(0), "audio_empty"),
    ],
    ids=["empty", "text", "play list", "silent", "nearly silent", "long", "no samples"],
)
def test_what_cannot_be_spoken_has_a_code(data, code):
    with pytest.raises(ProblemError) as caught:
        decode_speech(data, 3)
    assert (caught.value.code, caught.value.param) == (code, "speech")


def test_half_an_hour_is_refused_without_decoding_it():
    with pytest.raises(ProblemError, match="limit") as caught:
        decode_speech(plain_wav(30 * 60 * 8000), 600)
    assert caught.value.code == "audio_too_long"


def test_samples_of_a_voice_are_taken_like_a_file():
    audio = encode_speech(tone(0.5, 24_000)[0], 24_000)
    assert audio.duration_s == 0.5
    assert len(audio.samples) == 8000
    assert (audio.sample_rate_hz, audio.channels) == (24_000, 1)
