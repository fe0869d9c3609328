"""The roof: `defs`, which `workspace.yaml` and `dg` load, and nothing else."""

from customer_profiles.orchestration.build import build_definitions

defs = build_definitions()
