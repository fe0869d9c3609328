"""What the demo company sells."""

from dataclasses import dataclass

import orjson


@dataclass(frozen=True)
class Product:
    """One article; its price in pence."""

    sku: str
    name: str
    category: str
    price: int


@dataclass(frozen=True)
class Basket:
    """What was bought at once: total in pounds, department of the first article, lines as JSON text."""

    total: str
    department: str
    lines: str


_RANGE = {
    "garden": (("Watering can", 1499), ("Secateurs", 2250), ("Herb planter", 1850), ("Garden bench", 14900)),
    "kitchen": (("Cast-iron pan", 4500), ("Chef's knife", 3999), ("Teapot", 2400), ("Mixing bowl", 1250)),
    "bedroom": (
        ("Linen duvet cover", 8900),
        ("Feather pillow", 3200),
        ("Wool blanket", 7500),
        ("Cotton sheet", 2999),
    ),
    "children": (
        ("Wooden train", 2799),
        ("Picture book", 799),
        ("Rain boots", 1999),
        ("Jigsaw puzzle", 1299),
    ),
    "outdoor": (("Camping stove", 5499), ("Head torch", 2650), ("Walking socks", 1400), ("Dry bag", 1750)),
    "lighting": (("Desk lamp", 3450), ("Paper lantern", 950), ("LED bulb", 499), ("Floor lamp", 9900)),
    "stationery": (("Notebook", 650), ("Fountain pen", 2895), ("Wall calendar", 1100), ("Gift wrap", 350)),
}
PRODUCTS: tuple[Product, ...] = tuple(
    Product(f"{category[:3].upper()}-{number:03d}", name, category, price)
    for category, articles in _RANGE.items()
    for number, (name, price) in enumerate(articles, 1)
)


def basket(products: list[int], quantities: list[int]) -> Basket:
    """Fill a basket with products, named by their numbers."""
    bought = [(PRODUCTS[product], quantity) for product, quantity in zip(products, quantities, strict=True)]
    total = sum(product.price * quantity for product, quantity in bought)
    lines = [
        {
            "product": product.sku,
            "name": product.name,
            "category": product.category,
            "quantity": quantity,
            "price": product.price,
        }
        for product, quantity in bought
    ]
    return Basket(f"{total // 100}.{total % 100:02d}", bought[0][0].category, orjson.dumps(lines).decode())
