"""What is written in a figure."""

from xml.etree import ElementTree


def svg_texts(figure, folder):
    """Return all texts of a figure, as its file has them."""
    path = folder / f"{figure.name}.svg"
    figure.write(path)
    return [one.text for one in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")]
