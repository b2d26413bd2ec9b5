# sluice-collector. From the repository's root:
#   docker build -f deploy/docker/collector.Dockerfile -t sluice-collector .
# BUILD_BASE needs npm and bash; BASE only glibc and libstdc++: the Node.js that runs is the one of the lockfile.
ARG BUILD_BASE=node:24-bookworm-slim
ARG BASE=debian:bookworm-slim

FROM ${BUILD_BASE} AS tree
COPY . /src
RUN /src/deploy/release/make-tree.sh collector /opt/sluice \
  && cp /src/deploy/ecs/write-files.mjs /opt/sluice/bin/ \
  && mkdir -p /empty

FROM ${BASE}
COPY --from=tree /opt/sluice /opt/sluice
# Volumes take owner and mode from here: both must be writable for a user who is not root.
COPY --from=tree --chown=10001:10001 /empty /etc/sluice
COPY --from=tree --chown=10001:10001 /empty /var/lib/sluice-collector
ENV TMPDIR=/var/lib/sluice-collector MALLOC_ARENA_MAX=2 NODE_OPTIONS=--max-semi-space-size=2
# DuckDB allocates from one place and gives back after 0.1 s what it has freed.
ENV DUCKDB_JE_MALLOC_CONF=narenas:1,dirty_decay_ms:100,muzzy_decay_ms:0
USER 10001:10001
VOLUME ["/etc/sluice", "/var/lib/sluice-collector"]
EXPOSE 8443 9644
# SIGTERM drains; what runs it gives it 120 s. Whoever asks whether it is well asks /readyz from outside.
STOPSIGNAL SIGTERM
HEALTHCHECK NONE
ENTRYPOINT ["/opt/sluice/node_modules/.bin/node", "/opt/sluice/collector/bin/sluice-collector.mjs"]
CMD ["run"]
