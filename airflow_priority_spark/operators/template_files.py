# SPDX-License-Identifier: Apache-2.0
"""Where an application is written down, and which texts are files.

Airflow takes every templated string that ends in one of ``template_ext`` for the name of a template
file, at any depth: with the stock operator an argument ``s3://bucket/settings.json`` in a
``template_spec`` fails the task, and so does an absolute path in ``application_file``. Only
``application_file`` ever names a file, so only there a file is looked for; all other text is text.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.cncf.kubernetes.operators.spark_kubernetes import SparkKubernetesOperator

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context


class ApplicationOperator(SparkKubernetesOperator):
    """The stock operator, reading ``application_file`` as a path, as YAML or JSON text, or as a mapping.

    A relative path is looked for as Airflow looks for templates (the DAG's folder, its
    ``template_searchpath``); an absolute path is taken as it is. Either way the text is a template.
    """

    application_file: Any

    def resolve_template_files(self) -> None:
        """Put the text of the file where its name stood, when the DAG is parsed."""
        if _names_a_file(self.application_file, self.template_ext):
            self.application_file = self._text_of(self.application_file, self.get_template_env())
        self.prepare_template()

    def render_template(
        self,
        content: Any,
        context: Context,
        jinja_env: jinja2.Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """Render text as text; a mapped task's ``application_file`` is read here, when it runs."""
        if not isinstance(content, str):
            return super().render_template(content, context, jinja_env, seen_oids)
        env = jinja_env or self.get_template_env()
        if content is self.application_file and _names_a_file(content, self.template_ext):
            content = self._text_of(content, env)
        return self._render(env.from_string(content), context)

    def manage_template_specs(self) -> dict[str, Any]:
        """Return the application with its ``kubernetes`` section, from wherever it is written."""
        if not isinstance(self.application_file, Mapping):
            return super().manage_template_specs()
        body = dict(self.application_file)
        return body if "spark" in body else {"spark": body}

    def _text_of(self, name: str, env: jinja2.Environment) -> str:
        """Return a file's text; the name itself when there is no such file, which ``plan`` reports."""
        from jinja2 import TemplateNotFound

        try:
            if env.loader is not None:
                return env.loader.get_source(env, name)[0]
        except TemplateNotFound:
            pass
        path = Path(name)
        return path.read_text() if path.is_absolute() and path.is_file() else name


def _names_a_file(value: Any, extensions: tuple[str, ...]) -> bool:
    return isinstance(value, str) and "\n" not in value and Path(value).suffix[1:] in extensions
