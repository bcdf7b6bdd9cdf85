# One image for every process of the program: `onestop worker`, `projector`, `web` and the commands.
# Versions and hashes come from deploy/*.lock (written by deploy/lock.sh); only wheels are taken, so no compiler is needed, and a
# platform without them is told at once.
FROM python:3.12-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
# What changes seldom comes first: a change of the program's code reuses this layer.
COPY deploy/requirements.lock deploy/build.lock deploy/
# The environment holds no pip: a running container has nothing to install.
RUN python -m venv --without-pip /opt/onestop \
    && pip --python /opt/onestop install --no-deps --only-binary=:all: --require-hashes --requirement deploy/requirements.lock \
    && pip install --no-deps --only-binary=:all: --require-hashes --requirement deploy/build.lock
COPY pyproject.toml README.md ./
COPY models models
COPY scoring scoring
COPY streams streams
RUN pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /wheels . \
    && pip --python /opt/onestop install --no-deps --no-index /wheels/*.whl

FROM python:3.12-slim
# A fixed id, so that mounted files can be given to it; /data belongs to it, and a named volume takes that over.
RUN groupadd --gid 10001 onestop \
    && useradd --uid 10001 --gid onestop --no-create-home --home-dir /data --shell /usr/sbin/nologin onestop \
    && install --directory --owner=onestop --group=onestop /data
COPY --from=build /opt/onestop /opt/onestop
# Nothing but ONESTOP_DATA_DIR and /tmp is ever written: the root may be read-only.
ENV PATH=/opt/onestop/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ONESTOP_DATA_DIR=/data
WORKDIR /data
USER 10001:10001
ENTRYPOINT ["onestop"]
CMD ["--help"]
