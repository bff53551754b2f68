# docker buildx build --platform linux/amd64,linux/arm64 --build-arg VERSION=… --build-arg REVISION=… .
# Both base images are indexes of several platforms, pinned by digest. Replace them by mirrors or images of your own with the
# two arguments: the first needs npm and a shell, the second Node 24 at /nodejs/bin/node.
ARG BUILD_IMAGE=docker.io/library/node:24.21.0-trixie-slim@sha256:173f125896c3b47ddf056734c7ea789d04595a6a08769a8f78e0df642781fb66
ARG RUNTIME_IMAGE=gcr.io/distroless/nodejs24-debian13:nonroot@sha256:9eeb7f5887d0e239e78264b06f7f11d2e14be534050481803a9e4728fcdd278e

# JavaScript is the same everywhere: it is bundled on the builder's own platform.
FROM --platform=$BUILDPLATFORM ${BUILD_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY scripts ./scripts
COPY src ./src
RUN npm run bundle

FROM ${RUNTIME_IMAGE}
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="tokensync" \
      org.opencontainers.image.description="Keeps Kubernetes Secrets holding live API tokens" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
WORKDIR /app
COPY LICENSE ./
COPY --from=build /build/dist ./
ENV NODE_ENV=production \
    NODE_OPTIONS=--max-semi-space-size=16 \
    MALLOC_ARENA_MAX=1 \
    MALLOC_TRIM_THRESHOLD_=65536 \
    MALLOC_MMAP_THRESHOLD_=32768
USER 65532:65532
# metrics, probes
EXPOSE 8080 8081
# V8's flags come by NODE_OPTIONS, so that a Deployment can change them; with --enable-source-maps traces name files of src.
ENTRYPOINT ["/nodejs/bin/node", "/app/tokensync.mjs"]
