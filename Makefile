# make test      everything: unit, protocol, metadata, linters, and the lab on real kernels
# make demo      watch one node fence another off a real disk
# make proof     what the promises rest on, in numbers (ARGS=--long: ten times as much)
# make cluster   real Pacemaker clusters: every scenario, and a table of them (ARGS are pytest's: -k bookworm, -m slow)
# make conformance  what LIO, nvmet and dm-multipath do, against the standards (ARGS=--write records it anew)
# make install   DESTDIR, PREFIX and sbindir, mandir … as usual; Pacemaker looks for agents in /usr/sbin
# make install-files  the same without byte code, for packagers whose tools compile Python themselves
# make documents write what is made from the option table anew: metadata, README tables, man page, completion

PREFIX ?= /usr
DESTDIR ?=
PYTHON ?= /usr/bin/python3
sbindir ?= $(PREFIX)/sbin
mandir ?= $(PREFIX)/share/man
docdir ?= $(PREFIX)/share/doc/fence_pr_ioctl
licensedir ?= $(PREFIX)/share/licenses/fence_pr_ioctl
completionsdir ?= $(PREFIX)/share/bash-completion/completions
tmpfilesdir ?= $(PREFIX)/lib/tmpfiles.d
unitdir ?= $(PREFIX)/lib/systemd/system
# The programs look for it beside the folder they are in.
libdir = $(PREFIX)/lib/fence_pr_ioctl
modules = $(DESTDIR)$(libdir)/fence_pr

# What is installed, with its mode and folder; $(1) is what to do with each: put or drop.
define each
$(call $(1),755,$(wildcard fence_pr_ioctl pr_fence_guard),$(sbindir))
$(call $(1),644,$(wildcard lib/fence_pr/*.py),$(libdir)/fence_pr)
$(call $(1),644,$(wildcard man/*.8),$(mandir)/man8)
$(call $(1),644,$(wildcard completion/*),$(completionsdir))
$(call $(1),644,$(wildcard tmpfiles.d/*.conf),$(tmpfilesdir))
$(call $(1),644,$(wildcard systemd/*.service),$(unitdir))
$(call $(1),644,README.md,$(docdir))
$(call $(1),644,$(wildcard docs/*.md),$(docdir)/docs)
$(call $(1),644,LICENSE,$(licensedir))
endef
put = $(if $(2),install -d $(DESTDIR)$(3) && install -m $(1) $(2) $(DESTDIR)$(3))
drop = rm -f $(addprefix $(DESTDIR)$(3)/,$(notdir $(2)))
# Modules of an older version.
stale = $(filter-out $(patsubst lib/fence_pr/%,$(modules)/%,$(wildcard lib/fence_pr/*.py)),$(wildcard $(modules)/*.py))

.PHONY: test proof cluster demo conformance install install-files uninstall documents clean

test:
	@$(PYTHON) tests/run.py

proof:
	@$(PYTHON) tests/run.py proof $(ARGS)

cluster:
	@$(PYTHON) tests/run.py cluster $(ARGS)

demo:
	@$(PYTHON) -m tests.lab.demo

conformance:
	@$(PYTHON) -m tests.conformance $(ARGS)

install: install-files
	umask 022 && $(PYTHON) -m compileall -q -s "$(DESTDIR)" $(modules)

install-files:
	rm -rf $(modules)/__pycache__ $(stale)
	$(call each,put)
	$(if $(filter-out /usr/sbin,$(sbindir)),sed -i "s|=/usr/sbin/|=$(sbindir)/|" $(DESTDIR)$(unitdir)/pr_fence_guard.service)

uninstall:
	$(call each,drop)
	rm -rf $(DESTDIR)$(libdir)
	rmdir $(DESTDIR)$(docdir)/docs $(DESTDIR)$(docdir) $(DESTDIR)$(licensedir) 2>/dev/null || true

documents:
	@$(PYTHON) -m tests.documents

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis test-logs
	find . -name __pycache__ -prune -exec rm -rf {} +
