import pytest

from gateway.local.checks import EventError
from gateway.local.conversation_items import ConversationItems


def created(items, identity, **more):
    items.create({"item": {"type": "message", "role": "user", "id": identity}, **more})


def test_an_item_stands_where_it_is_wanted():
    told = []
    items = ConversationItems(told.append)
    assert items.last_id is None
    created(items, "b")
    created(items, "c")
    created(items, "a", previous_item_id="root")
    created(items, "x", previous_item_id="b")
    assert [one["id"] for one in items] == ["a", "b", "x", "c"]
    assert items.last_id == "c"
    assert (items.before("x"), items.before("a"), items.before("z")) == ("b", None, None)
    kinds = [event["type"].rpartition(".")[2] for event in told]
    assert kinds == ["added", "done"] * 4
    assert told[-1]["previous_item_id"] == "b"


def test_what_is_not_there_or_is_there_already_is_named():
    items = ConversationItems(lambda event: None)
    created(items, "a")
    for wrong, code in (
        (lambda: created(items, "a"), "item_create_duplicate_item_id"),
        (lambda: created(items, "b", previous_item_id="z"), "item_create_invalid_previous_item_id"),
        (lambda: items.delete({"item_id": "z"}), "item_delete_invalid_item_id"),
        (lambda: items.retrieve({"item_id": "z"}), "item_retrieve_invalid_item_id"),
    ):
        with pytest.raises(EventError) as caught:
            wrong()
        assert caught.value.code == code
    items.delete({"item_id": "a"})
    assert list(items) == []
