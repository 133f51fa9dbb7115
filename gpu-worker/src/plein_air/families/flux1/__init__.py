"""FLUX.1: everything that knows its classes, packing, encoders, layers and names."""

from plein_air.families.flux1.base import open_base
from plein_air.families.flux1.kohya import to_kohya

ADAPTER_METADATA = {
    "modelspec.architecture": "flux-1-dev/lora",
    "modelspec.implementation": "https://github.com/black-forest-labs/flux",
    "ss_network_module": "networks.lora_flux",
    "ss_base_model_version": "flux1",
}

__all__ = ["ADAPTER_METADATA", "open_base", "to_kohya"]
