"""The networks by name."""

MODELS: dict[str, str] = {
    "spikingformer_tiny": "snnpd.models.spikingformer:spikingformer_tiny",
    "spikingformer_small": "snnpd.models.spikingformer:spikingformer_small",
    "spikingformer_cifar": "snnpd.models.spikingformer:spikingformer_cifar",
    "vit_tiny_twin": "snnpd.models.twin:vit_tiny_twin",
    "vit_small_twin": "snnpd.models.twin:vit_small_twin",
    "vit_cifar_twin": "snnpd.models.twin:vit_cifar_twin",
}

# The ANN that stands beside a spiking network.
TWINS: dict[str, str] = {
    "spikingformer_tiny": "vit_tiny_twin",
    "spikingformer_small": "vit_small_twin",
    "spikingformer_cifar": "vit_cifar_twin",
}
