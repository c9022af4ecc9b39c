# The two commands a newcomer needs: `make run` and `make test`. Everything else is `python3 run.py --help`.
.PHONY: run test check bench crash reliability judgement promises drafts pictures first-start lock

run:            ## the whole product on its embedded default, with sample mails arriving
	python3 run.py demo

test:           ## format, lint, types and all tests; brings the servers it needs when it may
	python3 tests/run_all.py

check:          ## the fast part of `make test`
	python3 tests/run_all.py --fast

bench:          ## the pipeline measured; writes docs/benchmarks.md
	python3 tests/run_all.py --only tests.benchmark.bench

crash:          ## kill -9 at random moments, 20 rounds; writes docs/crash.md
	python3 tests/run_all.py --only tests.benchmark.crash

reliability:    ## hostile mail, screening, quotes, kill points, large mailboxes; writes docs/reliability.md
	python3 tests/run_all.py --only tests.benchmark.reliability

judgement:      ## locked test, challenge, fresh mails, agreement, speed of judging; writes docs/judgement.md
	python3 tests/run_all.py --only tests.benchmark.judgement

promises:       ## terms beside an oracle, a simulated year, time to acknowledgement; writes docs/promises.md
	python3 tests/run_all.py --only tests.benchmark.promises

drafts:         ## the right answer block in the draft, speed, sentence lengths; writes docs/drafts.md
	python3 tests/run_all.py --only tests.benchmark.drafts

pictures:       ## the acknowledgement as senders see it; writes docs/acknowledgements.md
	python3 tests/run_all.py --only tests.benchmark.pictures

first-start:    ## a fresh clone with an empty package cache, timed; writes docs/first-start.md
	python3 tests/run_all.py --only tests.benchmark.first_start

lock:           ## renew both lock files (needs uv)
	uv pip compile -q --universal --generate-hashes --no-header --no-annotate --no-emit-index-url pyproject.toml -o requirements.lock
	uv pip compile -q --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
