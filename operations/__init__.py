"""Operations on production that are not pipelines: deploy, canary, rollback, experiments, proof of a running service."""
