"""Prompts as transformers renders them, with Jinja2 itself, from published chat templates.

    pip install jinja2 && python tests/peers/templates.py [FOLDER]

Writes golden.json beside the templates (*.jinja) of a folder, tests/peers/templates by default: for each template and
each dialogue of tests/peers/templates/cases.json the prompt, or why the template refuses it.
"""

import datetime
import json
import pathlib
import sys

from jinja2 import nodes
from jinja2.exceptions import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = pathlib.Path(__file__).resolve().parent / "templates"
NOW = datetime.datetime(2026, 11, 23, 17, 42)


class Generation(Extension):
    """`{% generation %}`, by which transformers marks what a model is trained to say."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("text"), [], [], body).set_lineno(line)

    def text(self, caller):
        return caller()


def raise_exception(message):
    raise TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def environment():
    """The environment of transformers.utils.chat_template_utils."""
    made = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    made.filters["tojson"] = tojson
    made.globals["raise_exception"] = raise_exception
    made.globals["strftime_now"] = NOW.strftime
    return made


def messages(case):
    calls, called, out = 0, None, []
    for message in case["messages"]:
        wire = {"role": message["role"], "content": message["content"]}
        if call := message.get("tool_call"):
            calls, called = calls + 1, call["name"]
            function = {"name": called, "arguments": call["arguments"]}
            wire["tool_calls"] = [{"id": f"call{calls:05}", "type": "function", "function": function}]
        if message["role"] == "tool":
            wire |= {"name": called, "tool_call_id": f"call{calls:05}"}
        out.append(wire)
    return out


def render(template, case):
    try:
        return {
            "prompt": template.render(
                messages=messages(case),
                tools=[{"type": "function", "function": tool} for tool in case["tools"]] or None,
                documents=None,
                bos_token="<s>",
                eos_token="</s>",
                add_generation_prompt=True,
                enable_thinking=False,
            )
        }
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {error}"}


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    cases = json.loads((HERE / "cases.json").read_text())
    golden = {}
    for path in sorted(folder.glob("*.jinja")):
        template = environment().from_string(path.read_text())
        golden[path.name] = {name: render(template, case) for name, case in cases.items()}
    (folder / "golden.json").write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n")
    print(f"{folder / 'golden.json'}: {len(golden)} templates, {len(cases)} dialogues each")


main()
