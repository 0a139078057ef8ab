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
    SamConfig,
    SamMaskDecoderConfig,
    SamModel,
    SamPromptEncoderConfig,
    SamVisionConfig,
)

SIDE = 64


def save_tiny_sam(folder: Path) -> Path:
    """Picture of 64 x 64 px, 4 x 4 places, masks of 16 x 16."""
    torch.manual_seed(0)
    model = SamModel(
        SamConfig(
            vision_config=SamVisionConfig(
                hidden_size=16, output_channels=16, num_hidden_layers=2, num_attention_heads=2, image_size=SIDE,
                patch_size=16, mlp_dim=32, window_size=2, global_attn_indexes=[1], num_pos_feats=8,
                initializer_range=0.2,
            ),
            prompt_encoder_config=SamPromptEncoderConfig(
                hidden_size=16, image_size=SIDE, patch_size=16, mask_input_channels=4
            ),
            mask_decoder_config=SamMaskDecoderConfig(
                hidden_size=16, mlp_dim=32, num_hidden_layers=2, num_attention_heads=2, iou_head_hidden_dim=16
            ),
            initializer_range=0.2,
        )
    )  # fmt: skip
    return _sure_of_itself(model, folder)


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
    return _sure_of_itself(model, folder)


def _sure_of_itself(model: SamModel | Sam2Model, folder: Path) -> Path:
    """Random masks are told with a predicted IoU of about 0.9 and have sharp edges, so that filters let some pass."""
    with torch.no_grad():
        head = model.mask_decoder.iou_prediction_head
        head.proj_out.bias += 3.0 if isinstance(model, Sam2Model) else 0.9  # a sigmoid follows in SAM 2
        for head in model.mask_decoder.output_hypernetworks_mlps:
            head.proj_out.weight *= 1000
            head.proj_out.bias *= 1000
    model.save_pretrained(folder)
    return folder
