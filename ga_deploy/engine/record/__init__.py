"""The record: releases and the earlier settings of numbers, on Sync or in a local file."""
