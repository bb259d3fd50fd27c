"""The rings of a file of trends: what is read is what was written, coarser, after a restart, and over another layout."""

import os

import numpy as np
import pytest

from engine.trends import trend_file
from engine.trends.measures import SLOT, Phase
from engine.trends.scale import ABSENT, decode, encode
from engine.trends.trend_file import FILE_BYTES, RINGS, TrendFile

SECOND, TEN, MINUTE = RINGS
NOW = 1_800_000_000  # a whole minute


def slot(pps=(0, 100.0), rtt=(np.nan, np.nan), state=(0, Phase.UP), identity=(0, 7)):
    made = np.zeros((), SLOT)
    count = len(pps)
    made["header"]["target"] = count
    made["header"]["datapath"] = 1
    made["target"]["pps"][:count] = encode(pps)
    made["target"]["rtt_ms"][:count] = encode(rtt)
    made["target"]["state"][:count] = state
    made["target"]["identity"][:count] = identity
    return made


@pytest.fixture
def path(tmp_path):
    return tmp_path / "trends"


@pytest.fixture
def file(path):
    one = TrendFile(path)
    yield one
    one.close()


def pps(file, ring, end_s, seconds, number=1):
    times, records = file.read(ring, "target", number, end_s, seconds)
    return dict(zip(times.tolist(), np.round(decode(records["pps"]), 1).tolist(), strict=True))


def test_a_second_is_read_as_it_was_written(file):
    file.write(NOW, slot(pps=(0, 123.0)))
    file.write(NOW + 2, slot(pps=(0, 5.0)))
    assert pps(file, SECOND, NOW + 3, 10) == pytest.approx({NOW: 123.0, NOW + 2: 5.0}, rel=1e-3)
    assert pps(file, SECOND, NOW + 1, 1) == {}


def test_a_row_that_a_slot_does_not_have_is_not_there(file):
    file.write(NOW, slot())
    assert pps(file, SECOND, NOW, 10, number=2) == {}


def test_coarser_slots_are_means_and_every_state(file):
    for at in range(60):
        down = at == 31
        file.write(
            NOW + at,
            slot(
                pps=(0, float(at)),
                rtt=(np.nan, 2.0 if at % 5 == 0 else np.nan),
                state=(0, Phase.DOWN if down else Phase.UP),
            ),
        )
    tens = pps(file, TEN, NOW + 60, 70)
    assert tens == pytest.approx({NOW + at: at + 4.5 for at in range(0, 60, 10)}, rel=2e-3)
    assert pps(file, MINUTE, NOW + 60, 120) == pytest.approx({NOW: 29.5}, rel=2e-3)
    _, records = file.read(TEN, "target", 1, NOW + 59, 60)
    assert [Phase(int(bits)) for bits in records["state"]] == [
        Phase.UP | Phase.DOWN if at == 3 else Phase.UP for at in range(6)
    ]
    assert np.round(decode(records["rtt_ms"]), 2).tolist() == [2.0] * 6


def test_what_was_measured_of_another_address_does_not_count_in_a_mean(file):
    for at in range(10):
        file.write(NOW + at, slot(pps=(0, 1000.0 if at < 5 else 10.0), identity=(0, 1 if at < 5 else 2)))
    _, records = file.read(TEN, "target", 1, NOW + 10, 20)
    assert decode(records["pps"])[0] == pytest.approx(10.0, rel=1e-3)
    assert records["identity"].tolist() == [2]


def test_where_nothing_was_measured_there_is_nothing(file):
    for at in (0, 1, 10, 11):  # a restart in the middle: nobody wrote the last second of the first ten
        file.write(NOW + at, slot(pps=(0, 50.0)))
    assert pps(file, TEN, NOW + 20, 60) == {}
    file.catch_up(NOW + 20)
    assert pps(file, TEN, NOW + 20, 60) == pytest.approx({NOW: 50.0, NOW + 10: 50.0}, rel=1e-3)


def test_the_oldest_is_written_over_and_not_read_as_new(file):
    file.write(NOW, slot(pps=(0, 1.0)))
    file.write(NOW + SECOND.slots, slot(pps=(0, 2.0)))
    assert pps(file, SECOND, NOW + SECOND.slots, SECOND.slots + 10) == pytest.approx(
        {NOW + SECOND.slots: 2.0}, rel=1e-3
    )


def test_a_clock_that_was_set_back_shows_no_future(file):
    file.write(NOW + 100, slot(pps=(0, 9.0)))
    file.write(NOW, slot(pps=(0, 1.0)))
    assert pps(file, SECOND, NOW, 600) == pytest.approx({NOW: 1.0}, rel=1e-3)


def test_it_outlives_whoever_wrote_it(path):
    first = TrendFile(path)
    first.write(NOW, slot(pps=(0, 77.0)))
    first.close()
    second = TrendFile(path)
    assert pps(second, SECOND, NOW, 10) == pytest.approx({NOW: 77.0}, rel=1e-3)
    assert not second.began_anew
    second.close()


@pytest.mark.parametrize("content", [b"", b"something else", b"bngtrend" + bytes(100)])
def test_another_layout_is_begun_anew(path, content):
    path.write_bytes(content)
    file = TrendFile(path)
    assert file.began_anew == bool(content)
    assert pps(file, SECOND, NOW, 600) == {}
    file.write(NOW, slot())
    assert len(pps(file, SECOND, NOW, 600)) == 1
    file.close()


def test_a_slot_that_is_torn_is_not_read_as_a_whole(file, path):
    file.write(NOW, slot())
    with path.open("r+b") as raw:
        raw.seek(0, os.SEEK_END)
        assert raw.tell() == FILE_BYTES <= 128_000_000
        raw.truncate(trend_file._PREAMBLE_BYTES + NOW % SECOND.slots * SLOT.itemsize + 100)
    assert file.read_all(SECOND, "target", NOW, 600)[1] == []


def test_a_pipe_or_a_link_in_its_place_is_not_followed(path, tmp_path):
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        TrendFile(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(OSError):
        TrendFile(path)


@pytest.mark.parametrize("value", [0, 0.05, 1, 7.3, 1499, 65_536, 1_000_000, 9.7e9, 8e11])
def test_a_value_comes_back_within_three_per_mille(value):
    assert decode(encode([value]))[0] == pytest.approx(value, rel=3e-3, abs=1e-4)


def test_the_ends_of_the_scale():
    assert encode([np.nan]).tolist() == [ABSENT]
    assert np.isnan(decode(np.array([ABSENT], np.uint16)))[0]
    assert decode(encode([1e30]))[0] > 1e12
    assert decode(encode([-1.0]))[0] == 0
