"""Vision-language models of a few thousand random weights in the hub's layout, of the real classes."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    BertTokenizerFast,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipForQuestionAnswering,
    BlipImageProcessorPil,
    BlipProcessor,
    BlipTextConfig,
    BlipVisionConfig,
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
)

from services.perception.bench.random_models import SPREAD, byte_tokenizer, random_blip2

_TEMPLATE = (
    "{% for message in messages %}<|turn|>{{ message.role }}\n{% for part in message.content %}"
    "{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}{% endfor %}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|turn|>assistant\n{% endif %}"
)


def save_tiny_blip2(folder: Path, *, t5: bool = False) -> Path:
    """BLIP-2 on OPT, or on T5, for pictures of 32 x 32 px."""
    for part in random_blip2(32, width=32, layers=2, t5=t5):
        part.save_pretrained(folder)
    return folder


def save_tiny_blip(folder: Path, kind: type[BlipForQuestionAnswering] | type[BlipForConditionalGeneration]) -> Path:
    """One of BLIP's networks."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", *"abcdefghijklmnopqrstuvwxyz?0123456789"]
    words += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz0123456789"]
    tokenizer = BertTokenizerFast(vocab={word: index for index, word in enumerate(words)})
    torch.manual_seed(0)
    model = kind(
        BlipConfig(
            text_config=BlipTextConfig(
                vocab_size=len(words), hidden_size=32, encoder_hidden_size=32, intermediate_size=64,
                num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=128, projection_dim=32,
                initializer_range=SPREAD, bos_token_id=5, sep_token_id=3, eos_token_id=3, pad_token_id=0,
            ).to_dict(),
            vision_config=BlipVisionConfig(
                hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, image_size=32,
                patch_size=8, initializer_range=SPREAD,
            ).to_dict(),
            projection_dim=32,
            initializer_range=SPREAD,
        )
    )  # fmt: skip
    model.save_pretrained(folder)
    BlipProcessor(BlipImageProcessorPil(size={"height": 32, "width": 32}), tokenizer).save_pretrained(folder)
    return folder


def save_tiny_llava(folder: Path, template: str | None = _TEMPLATE) -> Path:
    """LLaVA: CLIP and a Llama; a picture is 16 tokens."""
    tokenizer = byte_tokenizer("<|end|>", "<pad>", "<image>", "<|turn|>")
    torch.manual_seed(0)
    vision = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4, image_size=32, patch_size=8,
        projection_dim=32, initializer_range=SPREAD,
    )  # fmt: skip
    LlavaForConditionalGeneration(
        LlavaConfig(vision_config=vision, text_config=_llama(len(tokenizer)), image_token_id=2, image_token_index=2)
    ).save_pretrained(folder)
    images = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    LlavaProcessor(
        images, tokenizer, patch_size=8, vision_feature_select_strategy="default", chat_template=template,
        num_additional_image_tokens=1,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def save_tiny_idefics3(folder: Path) -> Path:
    """Idefics 3, the architecture of SmolVLM: SigLIP and a Llama, pictures cut into tiles."""
    tokenizer = byte_tokenizer(
        "<|end|>", "<pad>", "<image>", "<|turn|>", "<fake_token_around_image>", "<end_of_utterance>", "<global-img>"
    )
    torch.manual_seed(0)
    Idefics3ForConditionalGeneration(
        Idefics3Config(
            vision_config={
                "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
                "image_size": 32, "patch_size": 8, "initializer_range": SPREAD,
            },
            text_config=_llama(len(tokenizer)).to_dict(),
            scale_factor=2,
            image_token_id=2,
            pad_token_id=1,
        )
    ).save_pretrained(folder)  # fmt: skip
    images = Idefics3ImageProcessorPil(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    Idefics3Processor(images, tokenizer, image_seq_len=4, chat_template=_TEMPLATE).save_pretrained(folder)
    return folder


class QwenProcessor:
    """What ``Qwen2VLProcessor`` does with pictures; that one needs torchvision, for its videos."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self.tokenizer = tokenizer
        self._images = Qwen2VLImageProcessorPil(patch_size=8, merge_size=2, min_pixels=32 * 32, max_pixels=48 * 48)

    def apply_chat_template(self, messages: list[dict[str, Any]], *, add_generation_prompt: bool) -> str:
        template = _TEMPLATE.replace("<image>", "<|vision_start|><|image_pad|>")
        return str(
            self.tokenizer.apply_chat_template(
                messages, chat_template=template, add_generation_prompt=add_generation_prompt, tokenize=False
            )
        )

    def __call__(self, text: list[str], images: list[list[Any]], **options: Any) -> dict[str, torch.Tensor]:
        seen = self._images([one for row in images for one in row], return_tensors="pt")
        rooms = seen["image_grid_thw"].prod(-1) // 4
        filled = [
            one.replace("<|image_pad|>", "<|image_pad|>" * int(room)) for one, room in zip(text, rooms, strict=True)
        ]
        written = self.tokenizer(filled, **options)
        place = self.tokenizer.convert_tokens_to_ids("<|image_pad|>")
        return {**written, **seen, "mm_token_type_ids": (written["input_ids"] == place).int()}


def tiny_qwen2_vl() -> tuple[Qwen2VLForConditionalGeneration, QwenProcessor]:
    """Qwen2-VL, whose positions have three dimensions."""
    marks = ("image_pad", "video_pad", "vision_start")
    tokenizer = byte_tokenizer("<|end|>", "<pad>", "<image>", "<|turn|>", *(f"<|{mark}|>" for mark in marks))
    torch.manual_seed(0)
    ids = {mark: tokenizer.convert_tokens_to_ids(f"<|{mark}|>") for mark in marks}
    model = Qwen2VLForConditionalGeneration(
        Qwen2VLConfig(
            text_config={
                "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64, "initializer_range": SPREAD,
                "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
                "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0},
                "bos_token_id": None, "eos_token_id": 0,
            },
            vision_config={
                "embed_dim": 32, "hidden_size": 32, "depth": 2, "num_heads": 4, "mlp_ratio": 2, "patch_size": 8,
                "spatial_merge_size": 2, "temporal_patch_size": 2, "initializer_range": SPREAD,
            },
            image_token_id=ids["image_pad"],
            video_token_id=ids["video_pad"],
            vision_start_token_id=ids["vision_start"],
        )
    )  # fmt: skip
    model.generation_config.eos_token_id = 0
    return model.eval(), QwenProcessor(tokenizer)


def _llama(vocabulary: int) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=vocabulary, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, initializer_range=SPREAD, eos_token_id=0, pad_token_id=1,
        bos_token_id=None,
    )  # fmt: skip
