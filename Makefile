# Two commands on a fresh machine: `make demo` and `make test`. They need Python 3.11+ with pip or uv, nothing else.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
TESTS ?= -n 2 --dist loadfile
.DEFAULT_GOAL := help
.PHONY: help demo demo-check test browser lint audit lock

help:
	@echo "make demo   安装依赖，启动演示系统（再次运行接着使用同一份数据）"
	@echo "make test   安装依赖，运行全部测试"
	@echo "make lint   代码与模板检查"
	@echo "make audit  写出软件物料清单 sbom.json，检查依赖是否有已知漏洞"
	@echo "make lock   按 requirements*.in 重新锁定依赖"

demo: $(VENV)/.runtime
	@exec $(PY) manage.py demo $(DEMO)

demo-check: $(VENV)/.runtime
	@exec $(PY) manage.py demo --check

test: $(VENV)/.development browser
	$(PY) -m pytest $(TESTS)

lint: $(VENV)/.development
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m djlint --lint templates

# Tools of their own, away from what the application runs with. Where no advisories can be had, that is said; what is
# known to be unsafe fails.
AUDIT := .venv-audit
audit: $(AUDIT)/.audit
	@$(AUDIT)/bin/cyclonedx-py requirements requirements.txt --of JSON --output-reproducible -o sbom.json
	@echo "软件物料清单：sbom.json（$$(grep -c '"bom-ref": "requirements' sbom.json) 个组件）"
	@$(AUDIT)/bin/pip-audit --requirement requirements.txt --require-hashes --disable-pip --progress-spinner off \
		>$(AUDIT)/said 2>&1; found=$$?; \
	if grep -q 'could not be audited' $(AUDIT)/said; then \
		echo "!!! $$(grep -c 'could not be audited' $(AUDIT)/said) 个依赖查不到漏洞通告（没有网络？），没有检查。"; \
	else cat $(AUDIT)/said; fi; \
	exit $$found

$(AUDIT)/.audit: VENV := $(AUDIT)
$(AUDIT)/.audit: PY := $(AUDIT)/bin/python
$(AUDIT)/.audit: requirements-audit.txt
	$(call install,requirements-audit.txt)

# Hashes of every platform's files come from the package index alone, whatever this machine's pip is set up with.
lock: export PIP_CONFIG_FILE := /dev/null
lock: export PIP_FIND_LINKS :=
lock: export PIP_EXTRA_INDEX_URL :=
lock: export CUSTOM_COMPILE_COMMAND := make lock
lock: COMPILE := $(VENV)/bin/pip-compile --quiet --no-config --generate-hashes --strip-extras --allow-unsafe \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host
lock: $(VENV)/.development
	$(COMPILE) --output-file requirements.txt requirements.in
	$(COMPILE) --output-file requirements-dev.txt requirements-dev.in
	$(COMPILE) --output-file requirements-audit.txt requirements-audit.in

$(VENV)/.runtime: requirements.txt
	$(call install,requirements.txt)

$(VENV)/.development: requirements-dev.txt
	$(call install,requirements-dev.txt)
	@touch $(VENV)/.runtime

# Debian's python3 without python3-venv can make an environment only without pip; pip from outside then fills it.
define install
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "需要 Python 3.11 或更新版本")'
	@set -e; echo "安装依赖（$(1)）……"; \
	if command -v uv >/dev/null; then \
		test -x $(PY) || uv venv --quiet --python $(PYTHON) $(VENV); \
		uv pip install --quiet --python $(PY) --require-hashes -r $(1); \
	else \
		test -x $(PY) || $(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || $(PYTHON) -m venv --clear --without-pip $(VENV); \
		if $(PY) -m pip --version >/dev/null 2>&1; then pip="$(PY) -m pip"; else pip="$(PYTHON) -m pip --python $(PY)"; fi; \
		$$pip install --quiet --disable-pip-version-check --require-hashes -r $(1); \
	fi
	@touch $@
endef

# Browser tests need Chromium and a Chinese font. In CI their absence is a failure.
browser:
	@if command -v chromium >/dev/null && fc-list :lang=zh-cn 2>/dev/null | grep -q .; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "浏览器测试：用 apt 安装 chromium 和 fonts-noto-cjk……"; \
		export DEBIAN_FRONTEND=noninteractive; \
		apt-get -qq update && apt-get -qq install --yes --no-install-recommends chromium fontconfig fonts-noto-cjk >/dev/null \
			|| echo "!!! apt 安装失败"; \
	fi; \
	command -v chromium >/dev/null && exit 0; \
	echo "!!! 没有 Chromium，浏览器测试将跳过。"; \
	[ "$$CI" != true ]
