"""How each type of work is laid out: the composition of a portrait, a still-life and so on."""

import math
from collections.abc import Callable

from artpipe.sample_gallery.canvas import Canvas
from artpipe.sample_gallery.palettes import Colour, lighter, mixed
from artpipe.sample_gallery.scenes.backdrops import backdrop
from artpipe.sample_gallery.scenes.nature import banner, hills, horse, house, ship, sky, tree, water
from artpipe.sample_gallery.scenes.people import bust, figure
from artpipe.sample_gallery.scenes.things import (
    bouquet,
    candle,
    drapery,
    flower,
    fruit,
    room,
    skull,
    table,
    vessel,
    window,
)


def _religious(c: Canvas) -> None:
    """Figures with haloes: enthroned, crucified, or in a row."""
    m, rng, x, high = c.manner, c.rng, c.wide / 2, c.high
    scene = rng.choice(("throne", "throne", "cross", "saints"))
    backdrop(c)
    floor = rng.choice((*m.land, m.flesh[1]))
    if m.backdrop not in ("hills", "garden"):
        c.gradient(lighter(floor, 0.1), c.shadow(floor, 0.4), high * 0.9, high)
    if scene == "throne":
        size = rng.uniform(0.7, 0.8) * high
        back = c.at(x, high * 0.96, size)
        back.body("|0,-107 32,-80 35,6", lighter(m.gold, 0.2))
        back.body("|0,-103 29,-78 32,6", mixed(c.cloth(), m.gold, 0.2))
        for number in range(2 * rng.randint(1, 2)):
            side, row = (-1, 1)[number % 2], number // 2
            place, height = x + side * (0.28 + 0.15 * row), rng.uniform(0.4, 0.5) * high
            figure(c, place, high * (0.92 + 0.03 * row), height, holy=True, facing=-side, wings=rng.random() < 0.35)
        figure(c, x, high * 0.97, size, m.cloth[0], hat="veil", holy=True, arms=(0.1, 0.3))
        side = rng.choice((-1, 1))
        _child(c, x + side * size * 0.12, high * 0.97 - size * 0.42, size * 0.3, holy=True)
        c.focus = (x, high * 0.97 - size * 0.9)
    elif scene == "cross":
        wood, arm, size = c.shadow(mixed(m.flesh[1], m.ink, 0.4), 0.3), high * 0.25, 0.56 * high
        c.glow(x, arm, 0.5, lighter(m.gold, 0.4), 0.6)
        c.box(x - 0.025, high * 0.08, x + 0.025, high * 0.93, wood)
        c.box(x - 0.34, arm - 0.02, x + 0.34, arm + 0.03, wood)
        figure(c, x, arm + 0.74 * size, size, hat="long", bare=True, holy=True, arms=(1.05, 1.05))
        for number in range(rng.randint(2, 4)):
            side = (-1, 1)[number % 2]
            place = x + side * (0.22 + 0.16 * (number // 2))
            figure(c, place, high * 0.95, rng.uniform(0.38, 0.46) * high, holy=True, facing=-side)
    else:
        count = rng.randint(2, 4)
        for number in range(count):
            place, height = c.wide * (number + 0.5) / count, rng.uniform(0.62, 0.72) * high
            niche = c.at(place, high * 0.92, 0.42 / count * c.wide)
            niche.curve([(-1, 0), (-1, -1.3 * count), (0, -1.75 * count), (1, -1.3 * count), (1, 0)], m.gold, 0.12)
            figure(c, place, high * 0.94, height, holy=True)


def _child(c: Canvas, x: float, y: float, size: float, *, holy: bool = False) -> None:
    """A putto in the air, or the Child with a halo."""
    figure(c, x, y, size, hat="bald", bare=True, holy=holy, wings=not holy, tall=0.5, turned=c.jitter(0.4))


def _portrait(c: Canvas) -> None:
    """A head and shoulders that fill the picture."""
    backdrop(c)
    # A sitter drowns in a busy ground.
    c.glow(c.wide / 2, c.high * 0.45, 0.85, c.rng.choice(c.manner.ground), c.rng.uniform(0.7, 1.0))
    bust(c)


def _landscape(c: Canvas) -> None:
    """Land, water or mountains under a wide sky, with trees and a sign of people."""
    m, rng, horizon = c.manner, c.rng, c.high * c.rng.uniform(0.36, 0.62)
    sky(c, horizon)
    scene = rng.choice(("river", "river", "sea", "mountains", "road", "village"))
    if scene == "sea":
        water(c, horizon, c.high)
        for _ in range(rng.randint(1, 3)):
            y = horizon + rng.uniform(0.03, 0.3) * (c.high - horizon)
            ship(c, rng.uniform(0.15, c.wide - 0.15), y, 0.12 + 0.7 * (y - horizon))
        c.at(rng.choice((0, c.wide)), horizon, 0.4, rng.choice((-1, 1))).body(
            "-60,-25 0,-35 60,-10 90,25 -60,35", m.land[1]
        )
        return
    if scene == "mountains":
        for _ in range(rng.randint(3, 5)):
            peak = c.at(rng.uniform(0, c.wide), horizon + 0.06, rng.uniform(0.2, 0.36), rng.choice((-1, 1)))
            stone = mixed(m.ground[-1], m.sky[0], rng.uniform(0.35, 0.65))
            peak.shape("-100,0 5,-100 100,0", stone)
            peak.shape("5,-100 100,0 25,0", c.shadow(stone, 0.6))
            peak.shape("-26,-70 5,-100 34,-70 8,-78", lighter(stone, 0.65))
    hills(c, horizon, layers=rng.randint(3, 5), rough=rng.uniform(0.02, 0.07))
    if scene in ("river", "road"):
        way = c.at(rng.uniform(0.3, 0.7) * c.wide, horizon + 0.04, c.high - horizon, rng.choice((-1, 1)))
        earth = lighter(mixed(m.flesh[1], m.ground[0], 0.5), 0.2)
        way.body("0,0 5,0 22,22 8,50 60,110 -50,110 -12,50 12,22", mixed(*m.sky, 0.55) if scene == "river" else earth)
    if scene == "village" or rng.random() < 0.35:
        x = rng.uniform(0.1, c.wide - 0.4)
        for number in range(rng.randint(2, 4)):
            foot = horizon + rng.uniform(0.06, 0.12)
            house(c, x + 0.12 * number, foot, rng.uniform(0.1, 0.17), spire=number == 1)
    kind, side = rng.choice(("round", "round", "poplar", "pine")), rng.choice((0.0, 1.0))
    for number in range(rng.randint(3, 8)):
        near = rng.uniform(0.25, 0.98)
        size = ((c.high - horizon) * near + 0.1) * rng.uniform(0.7, 1.35)
        x = c.wide * abs(side - rng.random() ** 1.6 * 0.9)
        tree(c, x, horizon + (c.high - horizon) * near, size, kind if number % 3 else "round")


def _mythological(c: Canvas) -> None:
    """Gods and nymphs, mostly bare, in the open; putti above."""
    rng, high = c.rng, c.high
    horizon = high * rng.uniform(0.38, 0.56)
    if c.manner.backdrop in ("clouds", "tendrils", "gold", "drapery") and rng.random() < 0.6:
        backdrop(c)
    else:
        sky(c, horizon)
        hills(c, horizon)
    for side in (0.05, c.wide - 0.05):
        if rng.random() < 0.7:
            tree(c, side, high * rng.uniform(0.7, 0.95), rng.uniform(0.45, 0.8))
    scene = rng.choice(("rest", "dance", "bath", "triumph"))
    if scene == "rest":
        bed, side, size = c.at(c.wide / 2, high * 0.76, 1), rng.choice((-1, 1)), rng.uniform(0.85, 0.95)
        bed.body("-60,8 -30,-4 50,-2 66,12 30,22 -40,22", lighter(c.cloth(), 0.3))
        figure(bed, side * size / 2, 0, size, bare=True, facing=side, arms=(0.0, -0.3), turned=-side * math.pi / 2)
        if rng.random() < 0.6:
            place = rng.choice((0.14, c.wide - 0.14))
            figure(c, place, high * 0.95, 0.55 * high, bare=rng.random() < 0.5)
    else:
        if scene == "bath":
            water(c, high * 0.7, high)
        count = rng.randint(2, 4)
        for number in range(count):
            place = c.wide * (number + 0.7) / (count + 0.4) + c.jitter(0.04)
            arms = (0.7, 1.0) if scene == "dance" else None
            size, foot = rng.uniform(0.55, 0.7) * high, high * rng.uniform(0.87, 0.97)
            figure(c, place, foot, size, bare=rng.random() < 0.85, arms=arms)
    if scene != "bath":
        for _ in range(rng.randint(0, 3)):
            _child(c, rng.uniform(0.15, 0.85) * c.wide, high * rng.uniform(0.2, 0.35), rng.uniform(0.17, 0.23))


def _genre(c: Canvas) -> None:
    """A few people at table."""
    m, rng, high = c.manner, c.rng, c.high
    wall = c.shadow(rng.choice(m.ground), 0.25)
    if rng.random() < 0.55:
        x = c.wide * rng.uniform(0.35, 0.65)
        room(c, wall, rng.choice(m.land), x - 0.34, x + 0.34, high * 0.14, high * 0.72)
    else:
        c.gradient(lighter(wall, 0.08), c.shadow(wall, 0.7))
    if rng.random() < 0.6:
        window(c, rng.choice((0.06, c.wide - 0.28)), high * 0.1, 0.22, 0.26)
    c.focus = lamp = c.wide * rng.uniform(0.42, 0.58), high * rng.uniform(0.56, 0.62)
    c.glow(lamp[0], lamp[1] - 0.1, 0.55, lighter(m.gold, 0.2), 0.5)
    count = rng.randint(2, 4)
    for number in range(count):
        x = c.wide * (number + 0.6) / (count + 0.2) + c.jitter(0.03)
        figure(c, x, high * 0.92, rng.uniform(0.56, 0.68) * high, facing=1 if x < lamp[0] else -1)
    left, right = c.wide * rng.uniform(0.08, 0.2), c.wide * rng.uniform(0.8, 0.92)
    top, near = high * rng.uniform(0.64, 0.7), high * rng.uniform(0.76, 0.82)
    table(c, left, right, top, near, rng.choice((mixed(m.flesh[1], m.ink, 0.35), lighter(c.cloth(), 0.45))))
    for _ in range(rng.randint(3, 6)):
        x, y = rng.uniform(left + 0.1, right - 0.1), rng.uniform(top + 0.01, near - 0.02)
        vessel(c.at(x, y, 0.4), rng.choice(("bowl", "cup", "jug", "bottle")), c.cloth())
    if rng.random() < 0.6:
        candle(c, lamp[0], near - 0.03)


def _still_life(c: Canvas) -> None:
    """Fruit, flowers, vessels and books on a table."""
    m, rng, ground = c.manner, c.rng, c.rng.choice(c.manner.ground)
    edge = c.high * rng.uniform(0.56, 0.68)
    c.gradient(lighter(ground, 0.05), c.shadow(ground, 0.55), 0, edge)
    behind = rng.choice(("nothing", "window", "drapery"))
    if behind == "window":
        window(c, rng.choice((0.06, c.wide - 0.34)), 0.07, 0.28, 0.3)
    elif behind == "drapery":
        drapery(c, c.shadow(c.cloth(), 0.3), rng.choice((-1, 1)))
    wood = mixed(rng.choice((*m.land, m.flesh[1])), m.flesh[1], 0.4)
    c.gradient(lighter(wood, 0.12), c.shadow(wood, 0.7), edge, c.high)
    c.line([(0, edge), (c.wide, edge)], lighter(wood, 0.3), 0.008)
    if rng.random() < 0.6:
        linen = c.at(rng.uniform(0.2, 0.5) * c.wide, edge, 1, rng.choice((-1, 1)))
        linen.body("-22,4 0,1 35,2 43,22 30,18 15,30 2,20 -28,22", lighter(m.ground[0], 0.7), depth=0.6)
    x, base = c.wide * rng.uniform(0.2, 0.8), edge + rng.uniform(0.05, 0.12)
    c.focus = (c.wide / 2, edge - 0.1)
    for place, main in ((x, True), (c.wide - x + c.jitter(0.08), False)):
        c.glow(place - c.light[0] * 0.15, base, 0.25, m.shade, 0.5 * m.depth + 0.15)
        kind = rng.choice(
            ("flowers", "jug", "fruit", "skull", "bottle") if main else ("fruit", "fruit", "cup", "bottle")
        )
        if kind == "flowers":
            bouquet(c, place, base)
        elif kind == "skull":
            skull(c, place, base)
        elif kind == "fruit":
            for _ in range(rng.randint(5, 9)):
                fruit(c, place + c.jitter(0.14), base - rng.uniform(0.07, 0.17), rng.uniform(0.042, 0.06))
            vessel(c.at(place, base, 1), "bowl", mixed(m.ground[0], c.cloth(), 0.45))
        else:
            vessel(c.at(place, base, rng.uniform(0.85, 1.2)), kind, c.cloth())
    for _ in range(rng.randint(3, 7)):
        fx, fy = rng.uniform(0.08, c.wide - 0.08), base + rng.uniform(0.06, max(0.08, c.high - base - 0.08))
        c.glow(fx, fy + 0.03, 0.1, m.shade, 0.5 * m.depth + 0.15)
        fruit(c, fx, fy, rng.uniform(0.038, 0.06))


def _interior(c: Canvas) -> None:
    """A room or a nave in perspective, lit through its windows."""
    m, rng = c.manner, c.rng
    wall, floor = rng.choice(m.ground), rng.choice((*m.land, m.flesh[1]))
    x, y = c.wide * rng.uniform(0.36, 0.64), c.high * rng.uniform(0.38, 0.52)
    air, side = lighter(m.sky[1], 0.5), -1 if c.light[0] < 0 else 1
    if rng.random() < 0.32:
        _nave(c, x, y, lighter(wall, 0.12), floor, air)
        return
    left, right, bottom = x - rng.uniform(0.18, 0.3), x + rng.uniform(0.18, 0.3), y + rng.uniform(0.16, 0.24)
    room(c, wall, floor, left, right, y - rng.uniform(0.18, 0.26), bottom)
    # The window lies in the wall that the light comes through: a frame that grows towards the front.
    reach = left if side < 0 else c.wide - right
    pane = c.at(0 if side < 0 else c.wide, y, 1, -side)
    for row in range(3):
        for column in range(3):
            near, far = (reach * (0.1 + 0.24 * (column + k)) for k in (0, 0.88))
            tops = [(-0.34 + 0.15 * (row + k), -0.17 + 0.075 * (row + k)) for k in (0, 0.88)]
            corners = [(x_, a + (b - a) * (x_ / reach)) for a, b in tops for x_ in (near, far)]
            pane.shape([corners[0], corners[1], corners[3], corners[2]], air)
    c.glow(x + side * -0.1, bottom + 0.18, 0.4, air, 0.55)
    c.focus = (x, y + 0.15)
    if rng.random() < 0.5:
        c.box(x - 0.06, y - 0.08, x + 0.07, bottom, c.shadow(wall, 1.2))
        c.box(x - 0.02, y - 0.05, x + 0.055, bottom, mixed(air, wall, 0.5))
    else:
        c.box(x - 0.09, y - 0.12, x + 0.09, y + 0.02, m.gold)
        c.box(x - 0.075, y - 0.105, x + 0.075, y + 0.005, mixed(rng.choice(m.land), m.sky[0], 0.4))
    if rng.random() < 0.65:
        figure(c, rng.uniform(0.3, 0.7) * c.wide, c.high * rng.uniform(0.86, 0.95), rng.uniform(0.28, 0.42))
    wood = c.shadow(mixed(m.flesh[1], m.ink, 0.3), 0.2)
    place = c.at(c.wide * (0.8 if side < 0 else 0.2), c.high * 0.95, 1)
    place.shape("-16,-15 16,-15 12,-19 -12,-19", lighter(wood, 0.15))
    for leg in (-0.14, 0.14):
        place.line([(leg, -0.15), (leg, 0)], wood, 0.02)
    vessel(place.at(0, -0.17, 0.5), rng.choice(("jug", "bowl", "vase")), c.cloth())


def _nave(c: Canvas, x: float, y: float, stone: Colour, floor: Colour, air: Colour) -> None:
    """A church, from its door to the window at (x, y)."""
    rng = c.rng
    room(c, stone, floor, x - 0.13, x + 0.13, y - 0.2, y + 0.12)
    c.at(x, y, 1).body("|0,-17 5,-10 5,2", air)
    c.glow(x, y - 0.05, 0.34, air, 0.7)
    c.focus = (x, y)
    for depth in (0.28, 0.5, 0.8, 1.25):
        reach, half = 0.1 + 0.36 * depth, 0.045 * depth + 0.012
        top, foot = y - 0.16 - 0.3 * depth, y + 0.1 + 0.36 * depth
        for place in (x - reach, x + reach):
            c.box(place - half, top, place + half, foot, c.shadow(stone, 0.6))
            c.box(place - half, top, place - half * 0.2, foot, lighter(stone, 0.22))
            c.box(place - half * 1.5, top - half, place + half * 1.5, top, lighter(stone, 0.3))
        c.at(x, top, reach).curve("-100,0 -75,-75 0,-115 75,-75 100,0", c.shadow(stone, 0.5), 0.1)
    for _ in range(rng.randint(0, 4)):
        depth = rng.uniform(0.2, 0.8)
        figure(c, x + c.jitter(0.25), y + 0.11 + 0.36 * depth, 0.14 + 0.16 * depth)


def _study(c: Canvas) -> None:
    """A head, a figure, drapery or a tree on an empty sheet, which `brushwork.sketch` turns into ink."""
    rng, x = c.rng, c.wide / 2 + c.jitter(0.05)
    c.gradient((255, 255, 255), (255, 255, 255))
    scene = rng.choice(("head", "heads", "figure", "drapery", "tree"))
    if scene == "head":
        bust(c)
    elif scene == "heads":
        for number in range(rng.randint(3, 4)):
            bust(c.at(0.5 * (number % 2) * c.wide, (0.08 + 0.45 * (number // 2)) * c.high, 0.48))
    elif scene == "figure":
        figure(c, x, c.high * 0.92, c.high * 0.78, bare=True, arms=(rng.uniform(0, 1), rng.uniform(0, 1.2)))
    elif scene == "drapery":
        cloth = c.at(x, c.high * 0.25, c.high * 0.6, rng.choice((-1, 1)))
        cloth.body("-8,-5 8,-5 30,45 42,100 10,108 -35,100 -25,45", c.cloth())
        for fold in range(9):
            at = (fold - 4) / 4
            cloth.curve(
                [(at * 0.05, 0), (at * 0.2 + c.jitter(0.05), 0.4), (at * 0.35, 1)], c.manner.ink, 0.01, taper=True
            )
    else:
        tree(c, x, c.high * 0.85, c.high * 0.65, rng.choice(("round", "pine", "poplar")))


def _historical(c: Canvas) -> None:
    """A battle or a fleet: many people, horses, ships and banners."""
    rng, high = c.rng, c.high
    horizon = high * rng.uniform(0.34, 0.48)
    sky(c, horizon)
    if rng.random() < 0.3:
        water(c, horizon, high)
        for row in (0, 0, 0, 0, 1, 1, 1, 2, 2):
            x, y = rng.uniform(0.1, c.wide - 0.1), horizon + (0.03 + 0.16 * row) * high
            if rng.random() < 0.6:
                c.glow(x + 0.1, y - 0.08, 0.14 + 0.06 * row, lighter(c.manner.gold, 0.3), 0.8)
            ship(c, x, y, 0.16 + 0.11 * row)
        return
    hills(c, horizon, layers=3)
    for _ in range(4):
        smoke = lighter(c.manner.ground[1], 0.3)
        c.glow(rng.uniform(0, c.wide), horizon + c.jitter(0.08), rng.uniform(0.15, 0.35), smoke, 0.65)
    for depth, height, density in ((0.3, 0.13, 9), (0.6, 0.2, 7), (0.98, 0.3, 4)):
        count = round(c.wide * density)
        for number in range(count):
            x, size = c.wide * (number + 0.5) / count + c.jitter(0.05), height * high
            foot, facing = horizon + (high * 0.98 - horizon) * depth + c.jitter(0.02), rng.choice((-1, 1))
            if rng.random() < 0.3:
                banner(c, x + 0.03, foot, foot - size * rng.uniform(1.4, 2.0))
            if rng.random() < 0.3:
                horse(c, x, foot, size * 0.85, facing)
                foot -= size * 0.4
            figure(c, x, foot, size * 0.9, facing=facing, arms=(rng.uniform(0, 0.4), rng.uniform(0, 1.3)))


def _other(c: Canvas) -> None:
    """Ornament and coats of arms: neither scene nor portrait."""
    m, rng = c.manner, c.rng
    ground, first, second = rng.choice(m.ground), c.cloth(), c.cloth()
    c.gradient(lighter(ground, 0.08), mixed(ground, m.gold, 0.2))
    scene = rng.choice(("tiles", "tiles", "arms", "rosette"))
    if scene == "tiles":
        step, petals = rng.uniform(0.18, 0.34), rng.choice((4, 6, 8))
        for row in range(math.ceil(c.high / step)):
            for column in range(math.ceil(c.wide / step)):
                tile, odd = c.at((column + 0.5) * step, (row + 0.5) * step, step), (row + column) % 2
                if odd:
                    tile.shape("-50,0 0,-50 50,0 0,50", mixed(second, m.ground[0], 0.45))
                flower(tile, 0, 0, 0.42, first if odd else second, petals, odd * math.pi / petals)
    elif scene == "arms":
        shield = c.at(c.wide / 2, c.high * 0.47, rng.uniform(0.26, 0.34))
        for number in range(6):
            curl = shield.at(0, -1 + 0.9 * (number // 2), 1, (-1, 1)[number % 2])
            curl.curve("80,0 140,-30 160,10 135,25 130,0", c.cloth(), 0.12, taper=True)
        shield.body("|0,-114 110,-108 107,22 60,103 0,150", m.gold)
        shield.body("|0,-106 100,-100 97,20 55,95 0,140", first, depth=0.2)
        for outline in rng.choice(
            (["|30,-95 30,90"], ["-90,50 0,-40 90,50 78,72 0,5 -78,72"], ["|14,-98 14,110", "|95,-20 95,8"])
        ):
            shield.shape(outline, second)
        for x, y in ((-0.5, -0.6), (0.5, -0.6), (0, 0.75)):
            flower(shield, x, y, 0.28, lighter(m.gold, 0.4))
    else:
        petals = rng.choice((6, 8, 10, 12))
        for ring in range(4, 0, -1):
            c.ball(c.wide / 2, c.high / 2, 0.115 * ring + 0.03, colour=c.shadow(first, 0.3), depth=0)
            flower(c, c.wide / 2, c.high / 2, 0.13 * ring, c.cloth(), petals, ring * math.pi / petals)
        for corner in range(4):
            x, y = (0.13 if corner % 2 else c.wide - 0.13), (0.13 if corner // 2 else c.high - 0.13)
            flower(c, x, y, 0.1, second)
    for inset, colour, width in ((0.025, c.shadow(second, 0.4), 0.05), (0.058, m.gold, 0.016)):
        right, bottom = c.wide - inset, c.high - inset
        c.line([(inset, inset), (right, inset), (right, bottom), (inset, bottom), (inset, inset)], colour, width)


COMPOSITIONS: dict[str, Callable[[Canvas], None]] = {
    "religious": _religious, "portrait": _portrait, "landscape": _landscape, "mythological": _mythological,
    "genre": _genre, "still-life": _still_life, "interior": _interior, "study": _study, "historical": _historical,
    "other": _other,
}  # fmt: skip
"""The function that composes a picture of each type."""
