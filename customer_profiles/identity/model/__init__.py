"""The identity model: trained, published as a versioned bundle, compared, promoted, reported on."""
