"""A run is resumed on its own data alone: every trial of every split counts."""

import hashlib
from types import SimpleNamespace

import brian2
import numpy as np
import pytest

import neuro_mpc as nm
from neuro_mpc import stimuli
from neuro_mpc.runfile.differences import as_lines, differences, differing
from neuro_mpc.runs import provenance
from neuro_mpc.runs.provenance import TRIALS_COMPARED, provenance_of

SIZES = {"population.hidden.size": 8}
TOY = {"stimulus.letters": 5, "stimulus.length": 4, "stimulus.load": 4.0}


def loaded(protocol, settings=None):
    circuit, protocol = nm.load_circuit("mpl", SIZES), nm.load_protocol(protocol, settings)
    data = stimuli.load_task(protocol, circuit, 0)
    return circuit, protocol, data


def told(circuit, protocol, data):
    return provenance_of(circuit=circuit, protocol=protocol, seed=0, backend="numpy", threads=1, workers=1, data=data)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
@pytest.mark.parametrize("held", ["_images", "_labels"])
def test_one_pixel_or_label_of_any_split_is_other_data(split, held):
    circuit, protocol, data = loaded("digits-rows")
    before = told(circuit, protocol, data)
    changed = getattr(data.source, held)[split] = getattr(data.source, held)[split].copy()
    changed[7 if changed.ndim == 1 else (7, 3)] += 1
    after = told(circuit, protocol, data)
    assert before["data_sha256"] != after["data_sha256"]
    assert before["data"] == after["data"]  # what 0.1 compared, a few trials


def test_the_same_data_have_the_same_digest():
    first, second = (told(*loaded("toy-language", TOY)) for _ in range(2))
    assert first == second
    assert len(first["data_sha256"]) == 64


def test_a_source_that_keeps_no_arrays_is_told_apart_by_its_batches():
    _, _, data = loaded("toy-language", TOY)
    parts = list(stimuli.Stimuli.content(data, "train"))
    stimulus, target = data.batch("train", np.arange(data.size("train")))
    assert np.array_equal(np.concatenate(parts[::2], axis=1), stimulus)
    assert np.array_equal(np.concatenate(parts[1::2], axis=1), target)


def test_keys_that_an_earlier_version_did_not_write_have_their_defaults():
    """Of a run begun by 0.1, whose targets were of one kind."""
    now = told(*loaded("toy-language", TOY))
    lines = [line for line in now["protocol"].splitlines() if line != 'kind = "given"']
    before = {**now, "protocol": "\n".join(lines)}
    assert before["protocol"] != now["protocol"]
    assert differences(before, now) == []
    wider = {**before, "circuit": now["circuit"].replace("size = 8", "size = 9")}
    assert differences(wider, now) == ["circuit.population.hidden.size was 9, is 8"]


def test_what_differs_is_told_by_name_with_both_values():
    before, now = {"seed": "1", "same": "x", "old": "y"}, {"seed": "2", "same": "x", "new": "z"}
    lines = ["seed was 1, is 2", "old was y, is nothing", "new was nothing, is z"]
    assert differences(before, now) == lines
    assert as_lines(lines) == "".join(f"\n    {line}" for line in lines)
    many = list(map(str, range(10)))
    assert as_lines(many[:8]) == "".join(f"\n    {line}" for line in many[:8])
    assert as_lines(many[:9]) == f"{as_lines(many[:8])}\n    and 1 more"
    assert as_lines(many).endswith("7\n    and 2 more")


def test_keys_of_descriptions_differ_one_by_one_and_what_is_no_toml_is_told_as_such():
    before, now = 'a = 1\n[t]\nb = "x"\nc = 2', 'a = 1\n[t]\nb = "y"\nd = 3'
    found = differences({"circuit": before}, {"circuit": now})
    assert found == [
        "circuit.t.b was 'x', is 'y'",
        "circuit.t.c was 2, is nothing",
        "circuit.t.d was nothing, is 3",
    ]
    assert differences({"protocol": "= no"}, {"protocol": now}) == ["protocol cannot be read"]
    assert not differing({"circuit": before}, {"circuit": before})


def test_files_of_earlier_versions_are_compared_by_some_trials_of_the_training():
    _, _, data = loaded("digits-rows")
    size = data.size("train")
    step = size // TRIALS_COMPARED
    assert step > 1
    first = told(*loaded("digits-rows"))["data"]
    for trial, same in ((0, False), (step, False), (step + 1, True)):
        circuit, protocol, data = loaded("digits-rows")
        data.source._images["train"] = data.source._images["train"].copy()
        data.source._images["train"][trial] += 1
        assert (told(circuit, protocol, data)["data"] == first) == same
    assert first.startswith(f"{size} + {data.size('validation')} + {data.size('test')} trials ")


@pytest.mark.parametrize(("size", "step"), [(100, 1), (256, 1), (511, 1), (512, 2), (768, 3), (1535, 5)])
def test_trials_are_compared_as_far_apart_as_leaves_256(size, step):
    """As 0.1 chose them: others would make another run of one that is stopped."""
    asked = []

    def presented(split, trials):
        asked.append((split, trials.tolist()))
        return {"x": trials}, {"y": -trials}

    sizes = {"train": size, "validation": 7, "test": 3}
    told = provenance._fingerprint(SimpleNamespace(size=sizes.get, presented=presented))
    trials = np.arange(0, size, step)
    assert asked == [("train", trials.tolist())]
    digest = hashlib.sha256(trials.tobytes() + (-trials).tobytes()).hexdigest()[:12]
    assert told == f"{size} + 7 + 3 trials {digest}"


def test_names_of_symbols_are_part_of_the_data():
    circuit, protocol, data = loaded("toy-language", TOY)
    before = told(circuit, protocol, data)["data_sha256"]
    data.symbols = ["other", *data.symbols[1:]]
    assert told(circuit, protocol, data)["data_sha256"] != before


def test_a_short_digest_has_twelve_digits_of_the_bytes_one_after_another():
    """Longer or other ones would make runs that are stopped now another run for later versions."""
    parts = b"ab", np.array([1, 2], np.uint8), b"c"
    assert provenance._digest(*parts) == hashlib.sha256(b"ab\x01\x02c").hexdigest()[:12]
    told_now = told(*loaded("toy-language", TOY))
    assert [len(told_now[name].rsplit(" ", 1)[1]) for name in ("data", "processor")] == [12, 12]


def test_the_same_bytes_in_another_split_shape_or_type_are_other_data():
    def digest(**parts):
        given = {split: parts.get(split, []) for split in ("train", "validation", "test")}
        return provenance._data_digest(SimpleNamespace(symbols=["a"], content=given.__getitem__))

    numbers = np.arange(6, dtype=np.int32)
    found = [
        digest(train=[numbers]),
        digest(train=[numbers.reshape(2, 3)]),
        digest(train=[numbers.reshape(3, 2)]),
        digest(train=[numbers.view(np.float32)]),
        digest(validation=[numbers]),
        digest(test=[numbers]),
        digest(train=[numbers[:3], numbers[3:]]),
        digest(train=[numbers[:3]], test=[numbers[3:]]),
    ]
    assert len(set(found)) == len(found)
    assert digest(train=[numbers[::-1][::-1]]) == found[0]


def test_a_compiled_program_is_that_of_its_compiler(monkeypatch):
    monkeypatch.setattr(provenance, "compiler_version", lambda: "g++ 1.2")
    circuit, protocol, data = loaded("toy-language", TOY)
    given = {"circuit": circuit, "protocol": protocol, "seed": 3, "threads": 2, "workers": 4, "data": data}
    by_numpy, compiled = (provenance_of(backend=backend, **given) for backend in ("numpy", "cpp"))
    assert compiled == {**by_numpy, "backend": "cpp", "compiler": "g++ 1.2"}
    assert "compiler" not in by_numpy
    assert [by_numpy[name] for name in ("backend", "seed", "threads", "workers")] == ["numpy", "3", "2", "4"]
    assert (nm.Circuit.from_toml(by_numpy["circuit"]), nm.Protocol.from_toml(by_numpy["protocol"])) == (
        circuit,
        protocol,
    )
    versions = {
        "neuro_mpc_version": nm.__version__,
        "brian2_version": brian2.__version__,
        "numpy_version": np.__version__,
    }
    assert {name: by_numpy[name] for name in versions} == versions
