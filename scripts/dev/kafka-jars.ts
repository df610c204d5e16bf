import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

/** The version that development and tests run on. */
export const KAFKA_VERSION = '4.1.0';
/** Kafka 4.1 speaks slf4j 1.7; without a binding it logs nothing. */
const SLF4J_VERSION = '1.7.36';
const COPY_GOAL = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies';
const LOCK_POLL_MS = 200;
const LOCK_TIMEOUT_MS = 300_000;

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>y-kafka</groupId>
  <artifactId>kafka-for-development</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>${KAFKA_VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>${SLF4J_VERSION}</version>
    </dependency>
  </dependencies>
</project>
`;

const run = promisify(execFile);

function jarFolder(): string {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  return join(cache, 'y-kafka', `kafka-${KAFKA_VERSION}`);
}

/** True when `command` can be started. */
function isCommand(command: string, versionFlag: string): boolean {
  return spawnSync(command, [versionFlag], { stdio: 'ignore' }).status === 0;
}

/** True when a broker can be started here: Java, and either the jars of an earlier run or Maven. */
export function canStartKafka(): boolean {
  return isCommand('java', '-version') && (existsSync(jarFolder()) || isCommand('mvn', '-version'));
}

/** The class path of Kafka; fetches the jars (43 MB, once) from Maven Central. */
export async function kafkaClassPath(): Promise<string> {
  const folder = jarFolder();
  if (!existsSync(folder)) await prepareOnce(folder);
  return join(folder, '*');
}

/**
 * The folder appears by a rename, so it is whole or not there. The lock only spares a second process the
 * same download: it is a file with a process id, not an open descriptor, so no broker inherits it.
 */
async function prepareOnce(folder: string): Promise<void> {
  await mkdir(dirname(folder), { recursive: true });
  const lock = `${folder}.lock`;
  const deadline = performance.now() + LOCK_TIMEOUT_MS;
  while (!(await takeLock(lock))) {
    if (performance.now() > deadline) throw new Error(`${lock} is held for too long; remove it.`);
    await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_MS));
  }
  try {
    if (!existsSync(folder)) await copyJars(folder);
  } finally {
    await rm(lock, { force: true });
  }
}

async function takeLock(lock: string): Promise<boolean> {
  try {
    const file = await open(lock, 'wx');
    await file.writeFile(String(process.pid));
    await file.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const owner = Number(await readFile(lock, 'utf8').catch(() => '0'));
  if (owner > 0 && !isRunning(owner)) await rm(lock, { force: true });
  return false;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function copyJars(folder: string): Promise<void> {
  const work = await mkdtemp(`${folder}.part-`);
  try {
    await writeFile(join(work, 'pom.xml'), POM);
    const jars = join(work, 'jars');
    await run('mvn', ['-q', '-B', COPY_GOAL, '-DincludeScope=runtime', `-DoutputDirectory=${jars}`], {
      cwd: work,
      maxBuffer: 16 * 1024 * 1024,
    });
    await rename(jars, folder).catch((error: unknown) => {
      if (!existsSync(folder)) throw error; // else another process was quicker, and its folder is whole
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
