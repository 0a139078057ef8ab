"""SAM and BLIP-2 of the real classes with few random weights: they cost calls as the trained ones do."""

from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2Processor,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    BlipImageProcessorPil,
    OPTConfig,
    PreTrainedTokenizerFast,
    SamConfig,
    SamMaskDecoderConfig,
    SamModel,
    SamPromptEncoderConfig,
    SamVisionConfig,
    T5Config,
)

SPREAD = 0.3
"""Random weights at the usual 0.02 answer alike to everything."""

_PATCH_PX = 16
_TEXTS = ("Question: How old is this person in the picture? Answer: about 30", "a man and a woman at a table")


def random_sam(side: int, width: int, layers: int) -> SamModel:
    """For pictures of ``side`` px."""
    torch.manual_seed(0)
    model = SamModel(
        SamConfig(
            vision_config=SamVisionConfig(
                hidden_size=width, output_channels=width, num_hidden_layers=layers, num_attention_heads=2,
                image_size=side, patch_size=_PATCH_PX, mlp_dim=2 * width, window_size=2,
                global_attn_indexes=[layers - 1], num_pos_feats=width // 2, initializer_range=SPREAD,
            ),
            prompt_encoder_config=SamPromptEncoderConfig(
                hidden_size=width, image_size=side, patch_size=_PATCH_PX, mask_input_channels=4
            ),
            mask_decoder_config=SamMaskDecoderConfig(
                hidden_size=width, mlp_dim=2 * width, num_hidden_layers=2, num_attention_heads=2,
                iou_head_hidden_dim=width,
            ),
            initializer_range=SPREAD,
        )
    )  # fmt: skip
    sure_of_itself(model, bias=0.9)
    return model.eval()


@torch.no_grad()
def sure_of_itself(model: Any, *, bias: float) -> None:
    """Random masks get sharp edges and, by ``bias``, a predicted IoU of about 0.9: filters let some of them pass."""
    model.mask_decoder.iou_prediction_head.proj_out.bias += bias
    for head in model.mask_decoder.output_hypernetworks_mlps:
        head.proj_out.weight *= 1000
        head.proj_out.bias *= 1000


def random_blip2(
    side: int, width: int, layers: int, *, t5: bool = False
) -> tuple[Blip2ForConditionalGeneration, Blip2Processor]:
    """With an OPT or a T5 as its language model, for pictures of ``side`` px; 8 queries."""
    tokenizer = byte_tokenizer("</s>", "<pad>", "<image>")
    torch.manual_seed(0)
    queries = 8
    words = len(tokenizer)
    if t5:
        text = T5Config(
            vocab_size=words, d_model=width, d_kv=width // 4, d_ff=2 * width, num_layers=layers,
            num_decoder_layers=layers, num_heads=4, eos_token_id=0, pad_token_id=1, decoder_start_token_id=1,
            initializer_factor=4.0,
        )  # fmt: skip
    else:
        text = OPTConfig(
            vocab_size=words, hidden_size=width, word_embed_proj_dim=width, ffn_dim=2 * width, num_hidden_layers=layers,
            num_attention_heads=4, max_position_embeddings=256, init_std=SPREAD, bos_token_id=0, eos_token_id=0,
            pad_token_id=1,
        )  # fmt: skip
    sizes = {
        "hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": layers, "num_attention_heads": 4,
        "initializer_range": SPREAD,
    }  # fmt: skip
    model = Blip2ForConditionalGeneration(
        Blip2Config(
            vision_config=Blip2VisionConfig(**sizes, image_size=side, patch_size=side // 4).to_dict(),
            qformer_config=Blip2QFormerConfig(**sizes, vocab_size=words, encoder_hidden_size=width).to_dict(),
            text_config=text.to_dict(),
            num_query_tokens=queries,
            image_text_hidden_size=width,
            image_token_index=2,
            initializer_range=SPREAD,
        )
    )
    with torch.no_grad():
        model.query_tokens.normal_(0, 1)
        model.language_projection.weight.normal_(0, 1)
    images = BlipImageProcessorPil(size={"height": side, "width": side})
    return model.eval(), Blip2Processor(images, tokenizer, num_query_tokens=queries)


def byte_tokenizer(end: str, *special: str) -> PreTrainedTokenizerFast:
    """Bytes; ``end`` is token 0, then the special ones, of which the first fills up."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    trainer = BpeTrainer(
        vocab_size=300, special_tokens=[end, *special], initial_alphabet=ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(_TEXTS, trainer)
    named = {"image_token": "<image>"} if "<|turn|>" in special else {}  # BLIP-2's processor adds its own
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=end, pad_token=special[0], extra_special_tokens=named
    )
