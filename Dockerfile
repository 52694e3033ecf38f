# syntax=docker/dockerfile:1
# The image of the workers and the API, for docker-compose.yml. Pin the base by digest where it
# matters to you: python:3.11-slim-bookworm@sha256:…
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY requirements.lock ./
# Everything locked is fetched and checked by its hash; what is installed below comes from here.
RUN python -m venv /venv \
    && /venv/bin/pip install --quiet --require-hashes -r requirements.lock \
    && /venv/bin/pip download --quiet --require-hashes -r requirements.lock -d /wheels
COPY pyproject.toml README.md ./
COPY enricher enricher
COPY mappings mappings
COPY dashboards dashboards
COPY rules rules
RUN /venv/bin/hatchling build --target wheel --directory /wheels

FROM python:3.11-slim-bookworm
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --quiet --no-cache-dir --no-index --find-links /wheels enricher \
    && useradd --system --uid 10001 enricher \
    && install --directory --owner enricher --mode 700 /var/lib/enricher
USER 10001
CMD ["enricher", "--help"]
