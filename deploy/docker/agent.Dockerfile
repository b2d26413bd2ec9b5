# sluice-agent, for sites that run containers beside their brokers. From the repository's root:
#   docker build -f deploy/docker/agent.Dockerfile -t sluice-agent .
# BUILD_BASE needs npm and bash; BASE only glibc and libstdc++: the Node.js that runs is the one of the lockfile.
ARG BUILD_BASE=node:24-bookworm-slim
ARG BASE=debian:bookworm-slim

FROM ${BUILD_BASE} AS tree
COPY . /src
RUN /src/deploy/release/make-tree.sh agent /opt/sluice \
  && mkdir -p /empty

FROM ${BASE}
COPY --from=tree /opt/sluice /opt/sluice
# The spool: keep it on a volume, or what was read but not sent is read from Kafka again.
COPY --from=tree --chown=10001:10001 /empty /var/lib/sluice-agent
ENV MALLOC_ARENA_MAX=2 NODE_OPTIONS=--max-semi-space-size=2
USER 10001:10001
VOLUME ["/var/lib/sluice-agent"]
EXPOSE 9643
# SIGTERM drains for agent.drainTimeout (30 s): give it 45 s.
STOPSIGNAL SIGTERM
HEALTHCHECK NONE
ENTRYPOINT ["/opt/sluice/node_modules/.bin/node", "/opt/sluice/agent/bin/sluice-agent.mjs"]
CMD ["run"]
