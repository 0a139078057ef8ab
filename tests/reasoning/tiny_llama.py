"""A Llama of a few thousand random weights with a tokenizer of its own, in the hub's layout: loads in milliseconds."""

from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from services.reasoning.prompt import builtin_prompts

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def save_tiny_llama(folder: Path, template: str | None = TEMPLATE) -> Path:
    """Write model and tokenizer into ``folder``, as ``save_pretrained`` does."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    special = ["<|im_start|>", "<|im_end|>"]
    trainer = BpeTrainer(
        vocab_size=600, special_tokens=special, initial_alphabet=ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator([prompt.text for prompt in builtin_prompts().values()], trainer)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=special[1], pad_token=special[1], chat_template=template
    ).save_pretrained(folder)
    torch.manual_seed(0)
    configuration = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=8192,
        initializer_range=0.3,  # random weights at the usual 0.02 answer alike to everything
    )
    LlamaForCausalLM(configuration).save_pretrained(folder)
    return folder
