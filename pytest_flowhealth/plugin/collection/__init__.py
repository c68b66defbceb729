"""Read what was collected: markers, selection, threshold overrides, checks that were not collected."""
