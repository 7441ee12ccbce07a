"""Draw a folder of images to try greenbench on: python draw_shapes.py FOLDER

Four shapes in random places, sizes and colors on noise, 60 images of each for training and 20 for validation, in
torchvision's layout: FOLDER/shapes/train/circle/0.png and so on. The images differ in size.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SHAPES = ("circle", "square", "star", "triangle")
IMAGES = {"train": 60, "val": 20}


def corners(shape, x, y, radius):
    """Return the corners of a shape around (x, y)."""
    count = {"square": 4, "star": 10, "triangle": 3}[shape]
    reach = [radius * (0.45 if shape == "star" and corner % 2 else 1) for corner in range(count)]
    angles = [2 * np.pi * corner / count - np.pi / 2 for corner in range(count)]
    return [(x + r * np.cos(a), y + r * np.sin(a)) for r, a in zip(reach, angles, strict=True)]


def draw(shape, random):
    """Return an image of a shape."""
    width, height = (int(side) for side in random.integers(40, 90, 2))
    noise = random.integers(0, 60, (height, width, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    radius = random.uniform(0.32, 0.45) * min(width, height)
    x, y = random.uniform(radius, width - radius), random.uniform(radius, height - radius)
    color = tuple(int(level) for level in random.integers(140, 256, 3))
    pen = ImageDraw.Draw(image)
    if shape == "circle":
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)
    else:
        pen.polygon(corners(shape, x, y, radius), fill=color)
    return image


def main(folder):
    """Draw all images."""
    random = np.random.default_rng(0)
    for split, count in IMAGES.items():
        for shape in SHAPES:
            place = Path(folder) / "shapes" / split / shape
            place.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                draw(shape, random).save(place / f"{number}.png")
    print(f"{sum(IMAGES.values()) * len(SHAPES)} images below {Path(folder) / 'shapes'}")


if __name__ == "__main__":
    main(sys.argv[1])
