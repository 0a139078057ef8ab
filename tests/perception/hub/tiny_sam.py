"""SAM and SAM 2 of a few thousand random weights in the hub's layout, of the real classes."""

from pathlib import Path

import torch
from transformers import (
    Sam2Config,
    Sam2HieraDetConfig,
    Sam2MaskDecoderConfig,
    Sam2Model,
    Sam2PromptEncoderConfig,
    Sam2VisionConfig,
)

from services.perception.bench.random_models import random_sam, sure_of_itself

SIDE = 64


def save_tiny_sam(folder: Path) -> Path:
    """Picture of 64 x 64 px, 4 x 4 places, masks of 16 x 16."""
    random_sam(SIDE, width=16, layers=2).save_pretrained(folder)
    return folder


def save_tiny_sam2(folder: Path) -> Path:
    """The same for SAM 2, whose encoder is a Hiera."""
    torch.manual_seed(0)
    model = Sam2Model(
        Sam2Config(
            vision_config=Sam2VisionConfig(
                backbone_config=Sam2HieraDetConfig(
                    hidden_size=8, num_attention_heads=1, image_size=[SIDE, SIDE], blocks_per_stage=[1, 1, 2, 1],
                    embed_dim_per_stage=[8, 16, 32, 64], num_attention_heads_per_stage=[1, 1, 1, 1],
                    window_size_per_stage=[4, 4, 2, 2], global_attention_blocks=[3], patch_kernel_size=[7, 7],
                    window_positional_embedding_background_size=[4, 4],
                ),
                backbone_channel_list=[64, 32, 16, 8], backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
                fpn_hidden_size=16, num_feature_levels=3,
            ),
            prompt_encoder_config=Sam2PromptEncoderConfig(
                hidden_size=16, image_size=SIDE, patch_size=16, mask_input_channels=4
            ),
            mask_decoder_config=Sam2MaskDecoderConfig(
                hidden_size=16, mlp_dim=32, num_hidden_layers=2, num_attention_heads=2, iou_head_hidden_dim=16
            ),
            initializer_range=0.2,
        )
    )  # fmt: skip
    sure_of_itself(model, bias=3.0)  # a sigmoid follows
    model.save_pretrained(folder)
    return folder
