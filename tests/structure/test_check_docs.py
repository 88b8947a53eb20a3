"""The script that checks the documentation finds each fault, and nothing in a good page."""

import check_docs
import doc_blocks
import pytest

GOOD = """\
# A title: with `code`, twice

## Twice
## Twice

[up](#a-title-with-code-twice) [second](#twice-1) [id](#here) [other](folder/other.md#sub) [web](https://a.b/c)
![picture](folder/p.png) <a id="here"></a> [ref]

[ref]: folder/other.md

```python
not_run(at_all)
```

<!-- run -->
```python
from pathlib import Path
Path("made").write_text("1")
```

<!-- run -->
```console
$ test -f made && \\
  echo two > other
$ cat other
two
```

<!-- run -->
```console
$ echo "made 3,141 things in 0.5 s"; echo "a   b"; echo c; echo d
made 3,000 things in 12.25 s
a b
…
d
```

<!-- fails -->
```console
$ echo no >&2; false
no
```

<!-- fails -->
```python
print("first")
raise ValueError("item 3 is missing")
```

<!-- output -->
```text
first
ValueError: item 4 is missing
```

<!-- run -->
```python
assert Path("other").read_text() == "two\\n"
```

```console
$ false
```
"""


@pytest.fixture
def check(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/p.png").touch()
    (tmp_path / "folder/other.md").write_text("# Other\n## Sub\n", encoding="utf-8")

    def run(text):
        page = tmp_path / "page.md"
        page.write_text(text, encoding="utf-8")
        return check_docs.problems(page, tmp_path)

    return run


def test_a_good_page_passes(check):
    assert check(GOOD) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n[a](none.md)", "page.md:2: the link none.md leads to no file"),
        ("[a](/folder/other.md)", "no file"),
        ("[a](../)", "no file"),
        ("![a](none.png)", "no file"),
        ("| a |\n|---|\n| [a](none.md) |", "no file"),
        ('<img src="none.png">', "no file"),
        ("[r]\n\n[r]: none.md", "no file"),
        ("[a](#none)", "no heading of page.md"),
        ("[a](folder/other.md#none)", "no heading of folder/other.md"),
        ("# T\n\n[a](#t-1)", "no heading"),
        ("```python\nx = = 1\n```", "SyntaxError"),
        ("<!-- run -->\n```python\n\nraise ValueError('oh')\n```", 'page.md", line 4'),
        ("<!-- run -->\n```python\nimport sys\nsys.exit()\n```", "SystemExit"),
        (
            "<!-- run -->\n```console\n$ echo why >&2; false\n```",
            "exit code 1 from: echo why >&2; false\nwhy",
        ),
        ("<!-- run -->\n```console\nfoils\n```", "no line that starts with"),
        ("<!-- run -->\n```yaml\na: 1\n```", "yaml cannot be run"),
        ("<!-- run -->\n```\nfoils\n```", "no language cannot be run"),
        ("<!-- run -->\n```console\n$ echo a\nb\n```", "prints something else: echo a\na"),
        ("<!-- run -->\n```console\n$ echo a\na\nb\n```", "prints something else"),
        ("<!-- fails -->\n```console\n$ true\n```", "exit code 0 from: true"),
        ("<!-- fails -->\n```python\nx = 1\n```", "should fail, and does not"),
        ("<!-- fails -->\n```python\nx = = 1\n```", "SyntaxError"),
        ("<!-- run -->\n```python\nprint(1, 'a')\n```\n\n<!-- output -->\n```text\n1 b\n```", "prints:\n1 a"),
        ("::: pathlib.Path\n\n[a](#pathlib.Path.none)", "no heading"),
        ("[a](#pathlib.Path.open)", "no heading"),
    ],
)
def test_a_fault_is_found(check, text, message):
    found = check(text)
    assert len(found) == 1
    assert message in found[0]


def test_a_command_that_hangs_is_ended(check, monkeypatch):
    monkeypatch.setattr(doc_blocks, "COMMAND_SECONDS", 0.1)
    assert "still not done: sleep 5" in check("<!-- run -->\n```bash\n$ sleep 5\n```")[0]


def test_a_link_may_name_what_a_page_documents(check):
    assert check("::: pathlib.Path\n\n[open](#pathlib.Path.open)") == []


def test_outputs_are_written_into_the_page(check, tmp_path):
    text = """<!-- run -->
```console
$ echo 1
2
$ echo a; echo b
?
```

<!-- run -->
```python
print("two")
```

<!-- output -->
```text
one
```

<!-- run -->
```console
$ echo 3; echo kept
…
kept
```
"""
    assert len(check(text)) == 2
    check_docs.problems(tmp_path / "page.md", tmp_path, write=True)
    assert (tmp_path / "page.md").read_text() == text.replace("\n2\n", "\n1\n").replace("?", "a\nb").replace(
        "one", "two"
    )
    assert check((tmp_path / "page.md").read_text()) == []
