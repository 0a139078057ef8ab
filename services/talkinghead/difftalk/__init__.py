"""DiffTalk (Shen et al., CVPR 2023, arXiv 2301.03786): talking heads by conditional latent diffusion."""
