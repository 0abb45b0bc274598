"""Serverless v1: services, environments, functions, builds, deployments, variables, logs, sites."""
