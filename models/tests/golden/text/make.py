"""Writes the golden files of the text tests beside it.

    pip install sentencepiece==0.2.3 jiwer==4.0.0 protobuf && python make.py

sentences.txt holds 200 sentences of LJ Speech (public domain).
"""
import json, pathlib, random, tempfile

import jiwer
import sentencepiece
from sentencepiece import sentencepiece_model_pb2

here = pathlib.Path(__file__).parent
lines = here.joinpath("sentences.txt").read_text().splitlines()
extra = [
    "It's 5:30, isn't it?", "  two   spaces ", "aaaa aaa bananana", "naïve café 😀 😀😀", "x", "", "don't stop-now",
    "THE CAPITALS", "under_score and ▁ itself", "supercalifragilisticexpialidocious",
]


def spm(name, vocab, **options):
    with tempfile.TemporaryDirectory() as folder:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_prefix=f"{folder}/m", model_type="bpe", vocab_size=vocab,
            character_coverage=1.0, normalization_rule_name="identity", bos_id=-1, eos_id=-1, unk_id=0,
            minloglevel=2, **options)
        model = sentencepiece.SentencePieceProcessor(model_file=f"{folder}/m.model")
    pieces = [model.id_to_piece(i) for i in range(model.get_piece_size())]
    texts = lines[:30] + extra
    cases = [{"text": t, "ids": model.encode(t), "decoded": model.decode(model.encode(t))} for t in texts]
    return {"pieces": pieces, "cases": cases}


tokenizers = {
    "plain_300": spm("plain_300", 300),
    "plain_800": spm("plain_800", 800),
    "bytes_600": spm("bytes_600", 600, byte_fallback=True, split_digits=True),
}
here.joinpath("sentencepiece.json").write_text(json.dumps(tokenizers, ensure_ascii=False, indent=0))



def files(name, kind, vocab, texts=lines[:30] + extra, normalization="identity", **options):
    """NAME.model and NAME.vocab, as they are but for the tables of Unicode normalisation, which take 240 kB."""
    with tempfile.TemporaryDirectory() as folder:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_prefix=f"{folder}/m", model_type=kind, vocab_size=vocab,
            character_coverage=1.0, normalization_rule_name=normalization, minloglevel=2, **options)
        model = sentencepiece.SentencePieceProcessor(model_file=f"{folder}/m.model")
        proto = sentencepiece_model_pb2.ModelProto.FromString(pathlib.Path(f"{folder}/m.model").read_bytes())
        proto.normalizer_spec.precompiled_charsmap = b""
        here.joinpath(f"{name}.model").write_bytes(proto.SerializeToString())
        here.joinpath(f"{name}.vocab").write_bytes(pathlib.Path(f"{folder}/m.vocab").read_bytes())
    scores = {piece.piece: piece.score for piece in proto.pieces}
    cases = [{"text": t, "ids": model.encode(t), "decoded": model.decode(model.encode(t))} for t in texts]
    likelihood = sum(scores[piece] for line in lines for piece in model.encode(line, out_type=str))
    return {"cases": cases, "likelihood": likelihood}


composed = ["Ｆｕｌｌ　ｗｉｄｔｈ", "ﬁne ½ Ⅷ", "STRASSE Straße", "tab\there", "no\u00a0break", "cafe\u0301"]
models = {
    "unigram": files("unigram", "unigram", 400),
    "unigram_small": files("unigram_small", "unigram", 150, bos_id=-1, eos_id=-1, unk_id=0),
    "unigram_bytes": files("unigram_bytes", "unigram", 600, byte_fallback=True, user_defined_symbols=["<sep>", "ing"]),
    "char": files("char", "char", 200, hard_vocab_limit=False),
    "bpe": files("bpe", "bpe", 400, normalization="nmt_nfkc_cf", texts=lines[:30] + extra + composed),
}
here.joinpath("sentencepiece_models.json").write_text(json.dumps(models, ensure_ascii=False, indent=0))

random.seed(1)
words = "the a cat sat on mat dog ran fast slowly and then it rained".split()
pairs = [("a b c", "a b c"), ("a b c", ""), ("a", "b c d"), ("a b", "b a"), ("one two three", "one three two four")]
for _ in range(60):
    reference = [random.choice(words) for _ in range(random.randint(1, 12))]
    hypothesis = []
    for word in reference:
        roll = random.random()
        if roll < 0.7:
            hypothesis.append(word)
        elif roll < 0.85:
            hypothesis.append(random.choice(words))
        if random.random() < 0.1:
            hypothesis.append(random.choice(words))
    pairs.append((" ".join(reference), " ".join(hypothesis)))
rates = [
    {"reference": r, "hypothesis": h, "wer": jiwer.wer(r, h), "cer": jiwer.cer(r, h)} for r, h in pairs
]
together = jiwer.wer([r for r, _ in pairs], [h for _, h in pairs])
here.joinpath("jiwer.json").write_text(json.dumps({"pairs": rates, "together": together}, indent=0))
