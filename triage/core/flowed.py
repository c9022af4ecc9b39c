"""Text of format=flowed joined to paragraphs (RFC 3676 §4)."""

from __future__ import annotations


def unflow(text: str, *, delete_space: bool = False) -> str:
    """Lines joined where they end in a blank; quote marks kept as `> `; stuffing removed.

    A line of text that itself begins with `>` keeps one blank before it, so that it never reads as a quote.
    """
    out: list[str] = []
    current: list[str] = []
    current_depth = -1

    def close() -> None:
        nonlocal current, current_depth
        if current_depth >= 0:
            joined = "".join(current)
            prefix = ">" * current_depth + " " if current_depth else ""
            if not current_depth and joined.startswith(">"):
                joined = f" {joined}"
            out.append(prefix + joined if joined or not prefix else prefix.strip())
        current, current_depth = [], -1

    for line in text.split("\n"):
        depth = len(line) - len(line.lstrip(">"))
        content = line[depth:]
        content = content[1:] if content.startswith(" ") else content
        if current_depth >= 0 and depth != current_depth:
            close()
        if content == "-- ":  # a signature line is never flowed (RFC 3676 §4.3)
            close()
            out.append((">" * depth + " " if depth else "") + content)
            continue
        flows = content.endswith(" ")
        current_depth = depth
        current.append(content[:-1] if flows and delete_space else content)
        if not flows:
            close()
    close()
    return "\n".join(out)
