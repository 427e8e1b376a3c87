"""Label encoders as SpeechBrain writes them.

    pip install speechbrain==1.1.2 torch torchaudio && python tests/peers/labels.py

Writes training/tests/golden/labels/*.txt by `save`, and checks that `load` takes each as equal. Without torch it runs as
well: the encoders need it for tensors alone, and a bare stand-in is put in its place.
"""

import importlib.util
import logging
import pathlib
import sys
import types

try:
    from speechbrain.dataio import encoder
except ImportError:
    for name in ("torch", "speechbrain", "speechbrain.utils.checkpoints", "speechbrain.utils.logger"):
        sys.modules[name] = types.ModuleType(name)
    checkpoints = sys.modules["speechbrain.utils.checkpoints"]
    checkpoints.mark_as_loader = checkpoints.mark_as_saver = checkpoints.register_checkpoint_hooks = lambda it: it
    sys.modules["speechbrain.utils.logger"].get_logger = logging.getLogger
    source = next(
        path for folder in sys.path if (path := pathlib.Path(folder, "speechbrain/dataio/encoder.py")).is_file()
    )
    spec = importlib.util.spec_from_file_location("encoder", source)
    encoder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(encoder)

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "training/tests/golden/labels"


def write(name, made):
    made.save(FOLDER / f"{name}.txt")
    read = type(made)()
    read.load(FOLDER / f"{name}.txt")
    assert read.lab2ind == made.lab2ind and read._get_extras() == made._get_extras()


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    speakers = encoder.CategoricalEncoder(starting_index=2)
    speakers.update_from_iterable(["id10270", "id10001", "id10270", "o'neil", 'say "hi"', "both ' and \""])
    speakers.update_from_iterable(["tab\there", "back\\slash", "说话人", "nul\0 \x7f\xa0\u200b\ue000\U0001f3e0", "e\u0301"])
    speakers.add_unk()
    speakers.insert_label("first", 2)
    write("speakers", speakers)
    mixed = encoder.CategoricalEncoder()
    mixed.update_from_iterable([7, -3, ("a", 1), ("alone",), (), None, "7"])
    write("mixed", mixed)
    characters = encoder.CTCTextEncoder()
    characters.insert_blank(index=0)
    characters.update_from_iterable(["the cat's", "mat"])
    characters.add_unk()
    write("characters", characters)
    phones = encoder.TextEncoder()
    phones.insert_bos_eos(bos_label="<bos>", eos_label="<eos>", bos_index=0)
    phones.update_from_iterable([["sil", "ah", "b"], ["b", "sil"]])
    write("phones", phones)


main()
