# make test      everything: unit, protocol, metadata, linters, and the lab on real kernels
# make demo      watch one node fence another off a real disk
# make install   DESTDIR and PREFIX as usual; Pacemaker looks for agents in /usr/sbin
# make documents write golden metadata and README tables anew after a change to the option table

PREFIX ?= /usr
DESTDIR ?=
PYTHON ?= /usr/bin/python3

sbin = $(DESTDIR)$(PREFIX)/sbin
lib = $(DESTDIR)$(PREFIX)/lib/fence_pr_ioctl

.PHONY: test demo install uninstall documents clean

test:
	@$(PYTHON) tests/run.py

demo:
	@$(PYTHON) -m tests.lab.demo

install:
	install -d $(sbin) $(lib)/fence_pr
	install -m 644 lib/fence_pr/*.py $(lib)/fence_pr
	install -m 755 fence_pr_ioctl $(sbin)/fence_pr_ioctl
	$(PYTHON) -m compileall -q -s "$(DESTDIR)" $(lib)/fence_pr

uninstall:
	rm -f $(sbin)/fence_pr_ioctl
	rm -rf $(lib)

documents:
	@$(PYTHON) -m tests.documents

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis test-logs
	find . -name __pycache__ -prune -exec rm -rf {} +
