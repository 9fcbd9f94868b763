from gateway.agents import Prompted
from gateway.bridge import Fork, Menu, Places
from gateway.destinations import read


def menu(name, otherwise, **keys):
    return Menu(name, Prompted(say="Press."), {key.strip("_"): read(to) for key, to in keys.items()}, read(otherwise))


def test_keys_may_lead_back_but_nothing_else():
    main, sub = menu("main", "hangup", _1="menu:sub"), menu("sub", "menu:main", _9="menu:main")
    assert Places({"main": main, "sub": sub}).circle() == []


def test_a_circle_that_nobody_walks_is_found_through_menus_and_hours():
    places = Places(
        {"main": menu("main", "hours:office"), "night": menu("night", "menu:main")},
        forks={"office": Fork(read("agent:bob"), read("menu:night"))},
    )
    assert [str(one) for one in places.circle()] == ["menu:main", "hours:office", "menu:night", "menu:main"]
    assert [str(one) for one in Places({"a": menu("a", "menu:a")}).circle()] == ["menu:a", "menu:a"]


def test_a_menu_names_all_its_ways():
    ways = dict(menu("main", "agent:eve", _1="tel:1").ways())
    assert {key: str(to) for key, to in ways.items()} == {"keys.1": "tel:1", "otherwise": "agent:eve"}
