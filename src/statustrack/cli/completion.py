"""``statustrack completion``: the script that lets a shell complete commands, options, tables and statuses."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes commands, options, table names and statuses in your shell.

    \b
    eval "$(statustrack completion bash)"               in ~/.bashrc
    eval "$(statustrack completion zsh)"                in ~/.zshrc
    statustrack completion fish > ~/.config/fish/completions/statustrack.fish
    """
    from click.shell_completion import get_completion_class

    from statustrack.cli.app import cli

    made = get_completion_class(shell)
    assert made is not None, shell
    # As it is, without the check of the shell's version that source() does first: this may run elsewhere.
    script = made(cli, {}, "statustrack", "_STATUSTRACK_COMPLETE")
    click.echo(script.source_template % script.source_vars())
