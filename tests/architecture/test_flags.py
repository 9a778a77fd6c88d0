"""Commands and flags that messages and pages name are there: people type them as they stand."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from orchestrator.cli.dev.command import flags_of_dev
from orchestrator.cli.known import root
from orchestrator.cli.own_flags import OWN_FLAGS, flags_of_serve
from tests.architecture.sources import ROOT, name_of, source_files
