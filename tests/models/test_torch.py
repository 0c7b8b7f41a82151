"""The torch encoder gives what sentence-transformers gives, whatever the text, the batch and the precision."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from tiny_model import edit_json, tensors, write_safetensors, write_tiny_model
from transvase.core.encoders import load, space_of
from transvase.core.encoders.probes import PROBES, proving_texts
from transvase.core.encoders.tokens import legible
from transvase.core.errors import EncoderFailed
from transvase.core.space import FLOOR, Role, cosines

PROMPTS = {"query": "query: ", "document": "passage: "}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny", prompts=PROMPTS)


@pytest.mark.model
class TestTorch:
    @pytest.mark.parametrize("role", list(Role))
    def test_every_text_gets_the_vector_of_sentence_transformers(self, tiny: Path, role: Role) -> None:
        from transvase.core.encoders.torch import load_model, load_torch

        texts = proving_texts(80)
        encoder = load_torch(tiny, name="tiny", fast=False, device="cpu")
        vectors = encoder.encode(texts, role)
        wanted = load_model(tiny, device="cpu").encode([legible(text) for text in texts], prompt_name=str(role))
        assert np.allclose(vectors.matrix, wanted, atol=1e-5)
        assert vectors.space == encoder.space
        assert np.allclose(np.linalg.norm(vectors.matrix, axis=1), 1, atol=1e-5)

    def test_excluded_prompts_stay_out_of_the_pooling(self, tmp_path: Path) -> None:
        from transvase.core.encoders.torch import load_model, load_torch

        tiny = write_tiny_model(tmp_path / "tiny", prompts=PROMPTS)
        edit_json(tiny / "1_Pooling/config.json", include_prompt=False)
        texts = ["valve", "boiler invoice", "x " * 300]
        vectors = load_torch(tiny, name="tiny", fast=False, device="cpu").encode(texts, Role.QUERY)
        assert np.allclose(vectors.matrix, load_model(tiny, device="cpu").encode(texts, prompt_name="query"), atol=1e-5)

    def test_roles_differ_where_the_prompts_do(self, tiny: Path) -> None:
        encoder = load(str(tiny))
        assert float(cosines(encoder.encode(["valve"], Role.QUERY), encoder.encode(["valve"], Role.DOCUMENT))[0]) < FLOOR

    def test_no_texts_give_no_rows(self, tiny: Path) -> None:
        assert load(str(tiny)).encode([], Role.QUERY).matrix.shape == (0, 16)

    def test_tokens_are_counted_before_the_cut(self, tiny: Path) -> None:
        assert load(str(tiny)).tokens(["", "valve boiler", "valve " * 100]) == [2, 4, 102]

    def test_several_threads_get_what_one_gets(self, tiny: Path) -> None:
        encoder = load(str(tiny))
        texts = proving_texts(60)[24:]
        alone, together = encoder.encode(texts, Role.DOCUMENT), []
        threads = [threading.Thread(target=lambda: together.append(encoder.encode(texts, Role.DOCUMENT))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [bool((cosines(alone, other) > 0.9999).all()) for other in together] == [True] * 4

    def test_a_model_that_gives_no_numbers_fails(self, tmp_path: Path) -> None:
        broken = write_tiny_model(tmp_path / "broken")
        values = tensors(0)
        values["embeddings.word_embeddings.weight"][:] = np.nan
        write_safetensors(broken / "model.safetensors", values)
        with pytest.raises(EncoderFailed, match="not finite"):
            load(str(broken)).encode(["valve"], Role.QUERY)

    def test_the_packaged_model_in_bf16_stays_in_its_space(self) -> None:
        """Whether the hardware is fast at it or only able to: what the load decides by is that the two agree."""
        from transvase.core.encoders.builtin import builtin_directory
        from transvase.core.encoders.torch import agrees, load_torch

        plain, fast = (
            load_torch(builtin_directory("builtin:minilm"), name="m", fast=fast, device="cpu") for fast in (False, True)
        )
        vectors, others = plain.encode(PROBES, Role.DOCUMENT), fast.encode(PROBES, Role.DOCUMENT)
        assert (vectors.matrix != others.matrix).any(), "bf16 really is another computation"
        assert (cosines(vectors, others) >= FLOOR).all()
        assert vectors.space == others.space
        assert agrees(plain, fast)

    def test_a_faster_way_that_does_not_agree_is_not_taken(self, tiny: Path, tmp_path: Path) -> None:
        """Another model in the place of bf16: too far off to be the same space."""
        from transvase.core.encoders.torch import TorchEncoder, agrees, load_model, load_torch

        other = write_tiny_model(tmp_path / "other", seed=1, prompts=PROMPTS)
        pretender = TorchEncoder(load_model(other, device="cpu"), name="other", space=space_of(str(tiny)), fast=False)
        assert not agrees(load_torch(tiny, name="tiny", fast=False, device="cpu"), pretender)

    def test_bf16_is_never_taken_where_the_hardware_lacks_it(self) -> None:
        from transvase.core.encoders.torch import bf16_pays, has_bf16

        assert has_bf16("cpu") or not bf16_pays("cpu")
        assert not bf16_pays("abacus")
