"""Data sets that are made up."""


class OneByOne:
    """Images and masks that are decoded when they are asked for, as files are."""

    def __init__(self, images, masks):
        self.pairs = list(zip(images, masks, strict=True))

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, index):
        return self.pairs[index]
