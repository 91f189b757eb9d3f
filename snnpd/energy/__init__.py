"""Operations and energy of spiking networks, counted from what a network really computes."""
