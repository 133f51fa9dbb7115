# One image for every process: pipeline worker, GPU worker, local Hub, command line. The compose file picks the command.
FROM node:24-bookworm-slim
RUN apt-get update \
  && apt-get install -y --no-install-recommends python3 python3-venv ca-certificates \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY package.json package-lock.json .npmrc tsconfig.json tsconfig.build.json ./
COPY scripts scripts
COPY temporal temporal
COPY gpu-worker gpu-worker
COPY space space
COPY studio studio
COPY src src
RUN npm run setup && npm cache clean --force && chown -R node:node /app \
  && mkdir -p /hub/tls && chown -R node:node /hub
USER node
ENV NODE_ENV=production
CMD ["node", "dist/cli/main.js", "--help"]
