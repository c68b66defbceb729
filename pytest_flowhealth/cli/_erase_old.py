class EraseCommand:
    """Takes the place of pytest's own run; the plugin object of --health-erase."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int:
        """Have the report erased; return 0, or 2 where it was not.

        Raises:
            pytest.UsageError: That is no address of a report.
        """
        try:
            receiver = receiver_of(str(config.option.health_erase), ERASE)
        except UsageError as error:
            raise make_usage_error(str(error)) from None
        try:
            erase(receiver)
        except NotSent as error:
            _say(f"the report was not erased: {error}")
            return Status.UNHEALTHY.exit_code
        sys.stdout.write("the report was erased\n")
        return 0


class WithdrawCommand:
    """Takes the place of pytest's own run; the plugin object of --health-withdraw."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self) -> int:
        """Forget what was agreed to, and return 0.

        Raises:
            pytest.UsageError: It can't be forgotten.
        """
        try:
            agreed = withdraw(os.environ)
        except OSError as error:
            raise pytest.UsageError(
                f"--health-withdraw: {file_of(os.environ)} can't be removed: {error.strerror}"
            ) from None
        told = f"no longer agreed to: {', '.join(agreed)}" if agreed else "nothing was agreed to"
        sys.stdout.write(f"{one_line(told)}\n")
        return 0
