"""What is changed: the kinds of mutation, as cosmic-ray's operators and two that it lacks."""

from __future__ import annotations

import parso
from cosmic_ray import plugins
from cosmic_ray.operators.operator import Example, Operator


class ReplaceMembership(Operator):
    """Replace `in` by `not in` or the reverse; cosmic-ray's comparisons have neither."""

    before = ""
    after = ""

    def _places(self, node):
        if node.type != "comparison":
            return []
        return [i for i in range(1, len(node.children), 2) if _words(node.children[i]) == self.before]

    def mutation_positions(self, node):
        for i in self._places(node):
            yield (node.children[i].start_pos, node.children[i].end_pos)

    def mutate(self, node, index):
        node.children[self._places(node)[index]] = parso.parse(f" {self.after}")
        return node

    @classmethod
    def examples(cls):
        return (Example(f"x {cls.before} y", f"x {cls.after} y"),)


class ReplaceInWithNotIn(ReplaceMembership):
    before, after = "in", "not in"


class ReplaceNotInWithIn(ReplaceMembership):
    before, after = "not in", "in"


class ReplaceAugmentedSign(Operator):
    """Replace `+=` by `-=` or the reverse; cosmic-ray changes the sign of plain sums only."""

    before = ""
    after = ""

    def mutation_positions(self, node):
        if node.type == "operator" and node.value == self.before:
            yield (node.start_pos, node.end_pos)

    def mutate(self, node, index):
        assert index == 0
        node.value = self.after
        return node

    @classmethod
    def examples(cls):
        return (Example(f"x {cls.before} 1", f"x {cls.after} 1"),)


class ReplaceAugmentedAdd(ReplaceAugmentedSign):
    before, after = "+=", "-="


class ReplaceAugmentedSub(ReplaceAugmentedSign):
    before, after = "-=", "+="


def _words(node) -> str:
    return " ".join(node.get_code().split())


OWN = {
    operator.__name__: operator
    for operator in (ReplaceInWithNotIn, ReplaceNotInWithIn, ReplaceAugmentedAdd, ReplaceAugmentedSub)
}


def _comparisons() -> list[str]:
    """Every comparison by its opposite, and the four of order by their neighbour: off by one."""
    pairs = ("Eq NotEq", "NotEq Eq", "Is IsNot", "IsNot Is")
    pairs += ("Lt LtE", "Lt GtE", "LtE Lt", "LtE Gt", "Gt GtE", "Gt LtE", "GtE Gt", "GtE Lt")
    return [f"core/ReplaceComparisonOperator_{pair.replace(' ', '_')}" for pair in pairs]


KINDS = {
    "comparison": [*_comparisons(), "ReplaceInWithNotIn", "ReplaceNotInWithIn"],
    "sign": [
        "core/ReplaceBinaryOperator_Add_Sub",
        "core/ReplaceBinaryOperator_Sub_Add",
        "core/ReplaceUnaryOperator_USub_UAdd",
        "ReplaceAugmentedAdd",
        "ReplaceAugmentedSub",
    ],
    # `&`, `|` and `~` are the and, or and not of whole arrays, and of bits.
    "boolean": [
        "core/ReplaceAndWithOr",
        "core/ReplaceOrWithAnd",
        "core/ReplaceUnaryOperator_Delete_Not",
        "core/ReplaceBinaryOperator_BitAnd_BitOr",
        "core/ReplaceBinaryOperator_BitOr_BitAnd",
        "core/ReplaceUnaryOperator_Delete_Invert",
    ],
    "bool": ["core/ReplaceTrueWithFalse", "core/ReplaceFalseWithTrue"],
    # Asked for by --kinds only: a buffer's size or a timeout one larger is no mistake.
    "number": ["core/NumberReplacer"],
}

USUAL = ("comparison", "sign", "boolean", "bool")


def operator(name: str) -> Operator:
    """Return a new operator by its name in KINDS."""
    return OWN[name]() if name in OWN else plugins.get_operator(name)()
