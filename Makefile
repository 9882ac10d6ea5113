# What each target is for stands behind it, after ##; `make` alone prints that.
# Installing and packaging need make, sh and Python only; whatever runs tests gets what it needs by tests/run.py.

PREFIX ?= /usr
DESTDIR ?=
PYTHON ?= /usr/bin/python3
# With another one than that the programs are installed so that it runs them.
interpreter = $(filter-out /usr/bin/python3,$(shell command -v $(PYTHON)))
sbindir ?= $(PREFIX)/sbin
mandir ?= $(PREFIX)/share/man
docdir ?= $(PREFIX)/share/doc/fence_pr_ioctl
licensedir ?= $(PREFIX)/share/licenses/fence_pr_ioctl
completionsdir ?= $(PREFIX)/share/bash-completion/completions
tmpfilesdir ?= $(PREFIX)/lib/tmpfiles.d
unitdir ?= $(PREFIX)/lib/systemd/system
schemadir ?= $(PREFIX)/share/fence_pr_ioctl
selinuxdir ?= $(PREFIX)/share/selinux/packages
# The programs look for it beside the folder they are in.
libdir = $(PREFIX)/lib/fence_pr_ioctl
modules = $(DESTDIR)$(libdir)/fence_pr

programs = fence_pr_ioctl pr_fence_guard pr_fence

# What is installed, with its mode and folder; $(1) is what to do with each: put or drop.
define each
$(call $(1),755,$(wildcard $(programs)),$(sbindir))
$(foreach room,$(rooms),$(call $(1),644,$(wildcard lib/$(room)/*.py),$(libdir)/$(room))$(newline))
$(call $(1),644,$(wildcard man/*.8),$(mandir)/man8)
$(call $(1),644,$(wildcard completion/*),$(completionsdir))
$(call $(1),644,$(wildcard tmpfiles.d/*.conf),$(tmpfilesdir))
$(call $(1),644,$(wildcard systemd/*.service systemd/*.timer),$(unitdir))
$(call $(1),644,$(wildcard schema/*.json monitoring/*.yml monitoring/*.json),$(schemadir))
$(call $(1),755,$(wildcard watchdog.d/*),$(schemadir)/watchdog.d)
$(call $(1),644,$(if $(filter put,$(1)),$(wildcard $(policy)),$(policy)),$(selinuxdir))
$(call $(1),644,$(wildcard *.md),$(docdir))
$(call $(1),644,$(wildcard docs/*.md),$(docdir)/docs)
$(call $(1),644,$(wildcard docs/pictures/*.svg),$(docdir)/docs/pictures)
$(call $(1),644,$(wildcard docs/upstream/*),$(docdir)/docs/upstream)
$(call $(1),644,LICENSE,$(licensedir))
endef
put = $(if $(2),install -d $(DESTDIR)$(3) && install -m $(1) $(2) $(DESTDIR)$(3))
drop = rm -f $(addprefix $(DESTDIR)$(3)/,$(notdir $(2)))
# It is there once `make selinux` has made it.
policy = selinux/fence_pr_ioctl.pp
# The package and the packages in it, and every module.
sources = $(wildcard lib/fence_pr/*.py lib/fence_pr/*/*.py lib/fence_pr/*/*/*.py)
rooms = $(patsubst lib/%/,%,$(sort $(dir $(sources))))
version = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' lib/fence_pr/__init__.py)
define newline


endef
# Modules of an older version, and folders that none of this one are in.
stale = $(filter-out $(sources:lib/%=$(DESTDIR)$(libdir)/%),$(wildcard $(modules)/*.py $(modules)/*/*.py $(modules)/*/*/*.py))
stale_rooms = $(filter-out $(rooms:%=$(DESTDIR)$(libdir)/%/),$(wildcard $(modules)/*/ $(modules)/*/*/))

.DEFAULT_GOAL := help
.PHONY: help test unit lint demo proof mutants coverage load premises nemesis cluster conformance
.PHONY: install need-python install-files uninstall selinux dist documents captures clean

help: ## this list
	@echo "make TARGET [VARIABLE=value ...]"
	@awk -F ':[^#]*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile
	@echo "  ARGS           what is handed on, for example the tests of one file that have a word in their name:"
	@echo '                 make test ARGS="tests/unit/test_off.py -k abort"'
	@echo "  DESTDIR PREFIX sbindir mandir docdir ...: where to, as usual; Pacemaker looks for agents in /usr/sbin"

test: ## everything, on real kernels, too (ARGS: only these, as pytest takes them)
	@$(PYTHON) tests/run.py test $(ARGS)

unit: ## the tests that need neither kernel nor disk (ARGS are pytest's)
	@$(PYTHON) tests/run.py unit $(ARGS)

lint: ## ruff and mypy
	@$(PYTHON) tests/run.py lint

demo: ## watch one node fence another off a real disk
	@$(PYTHON) -m tests.lab.demo

proof: ## what the promises rest on, in numbers (ARGS=--long: ten times as much)
	@$(PYTHON) tests/run.py proof $(ARGS)

mutants: ## small changes of lib that no unit test notices, as a table (ARGS="--safety --sample 100")
	@$(PYTHON) tests/run.py mutants $(ARGS)

coverage: ## lines and branches of lib that tests run, on the host and in guests (ARGS are pytest's)
	@$(PYTHON) tests/run.py coverage $(ARGS)

load: ## fencing while all nodes write: what it does to whom, as a table (ARGS=--short: a case of each target)
	@$(PYTHON) tests/run.py load $(ARGS)

premises: ## what the proof takes for granted, broken on 0.1.0 and on this version, as a table (ARGS: rows)
	@$(PYTHON) tests/run.py premises $(ARGS)

cluster: ## real Pacemaker clusters: every scenario, and a table of them (ARGS are pytest's: -k bookworm, -m slow)
	@$(PYTHON) tests/run.py cluster $(ARGS)

conformance: ## what LIO, nvmet and dm-multipath do, against the standards (ARGS=--write records it anew)
	@$(PYTHON) -m tests.conformance $(ARGS)

nemesis: ## random outages and faults of a cluster, judged by its disks (ARGS: --rounds N --seed N --agent NAME)
	@$(PYTHON) tests/run.py nemesis $(ARGS)

captures: ## make the pictures of what the programs print anew, in the lab
	@$(PYTHON) tests/run.py captures

documents: ## write what is made from the option table anew: metadata, README tables, man pages, completion
	@$(PYTHON) -m tests.documents

install: need-python install-files ## programs, modules with byte code, man pages, completion, documents
	umask 022 && $(PYTHON) -m compileall -q -s "$(DESTDIR)" $(modules)

need-python: ## nothing, or an error where PYTHON is older than 3.9
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 9) and "Python 3.9 or later is needed, $(PYTHON) is older: give PYTHON=/usr/bin/python3.11, or another one")'

install-files: ## the same without byte code, for packagers whose tools compile Python themselves
	rm -rf $(modules)/__pycache__ $(modules)/*/__pycache__ $(modules)/*/*/__pycache__ $(stale) $(stale_rooms)
	$(call each,put)
	$(if $(interpreter),sed -i "1s|/usr/bin/python3|$(interpreter)|" $(addprefix $(DESTDIR)$(sbindir)/,$(programs)))
	$(if $(filter-out /usr/sbin,$(sbindir)),sed -i "s|=/usr/sbin/|=$(sbindir)/|" \
		$(addprefix $(DESTDIR)$(unitdir)/,$(notdir $(wildcard systemd/*.service))) \
		$(DESTDIR)$(schemadir)/watchdog.d/pr_fence_guard)

uninstall: ## take away what install brought
	$(call each,drop)
	rm -rf $(DESTDIR)$(libdir)
	rmdir $(DESTDIR)$(docdir)/docs/pictures $(DESTDIR)$(docdir)/docs/upstream $(DESTDIR)$(docdir)/docs \
		$(DESTDIR)$(docdir) $(DESTDIR)$(licensedir) $(DESTDIR)$(schemadir)/watchdog.d $(DESTDIR)$(schemadir) \
		$(DESTDIR)$(selinuxdir) $(DESTDIR)$(patsubst %/,%,$(dir $(selinuxdir))) 2>/dev/null || true

selinux: ## the policy module for SELinux (needs checkmodule and semodule_package)
	checkmodule -M -m -o $(policy:.pp=.mod) $(policy:.pp=.te)
	semodule_package -o $(policy) -m $(policy:.pp=.mod) -f $(policy:.pp=.fc)
	rm $(policy:.pp=.mod)

# What git and gzip would take from their settings and from the clock is said here: two archives of a commit are the same.
dist: ## the source archive of what is committed, here: fence_pr_ioctl-VERSION.tar.gz
	git -c tar.umask=0022 archive --format=tar --prefix=fence_pr_ioctl-$(version)/ -o fence_pr_ioctl-$(version).tar HEAD
	gzip -9 -n -f fence_pr_ioctl-$(version).tar

clean: ## what tests and linters left here
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis test-logs $(policy) fence_pr_ioctl-*.tar.gz
	find . -name __pycache__ -prune -exec rm -rf {} +
