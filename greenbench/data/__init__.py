"""Parts for workloads: images, batches, augmentation, metrics. None knows any one data set."""
