// jetcd, etcd's client for Java: checks in java/, compiled once, with the libraries that .ci/run puts into .peers.
import { execFile } from 'node:child_process';
import { globSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { peer } from '../peers.ts';
import { clientSuite } from './checks.ts';

const java = peer('java');
const javac = peer('javac');
const folder = join(import.meta.dirname, '../../.peers');
const libraries = join(folder, 'jetcd');
const sources = join(import.meta.dirname, 'java');

clientSuite('jetcd', java.missing ?? javac.missing ?? librariesMissing(), async () => {
  const classes = join(folder, 'jetcd-classes');
  mkdirSync(classes, { recursive: true });
  await promisify(execFile)(javac.path ?? '', [
    ...['-d', classes, '-cp', `${libraries}/*`],
    ...globSync(`${sources}/*.java`),
  ]);
  // A small program that lives for seconds: no time is spent on optimizing it.
  return {
    path: java.path ?? '',
    args: ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-cp', `${classes}:${libraries}/*`, 'Checks'],
  };
});

function librariesMissing(): string | undefined {
  if (globSync(`${libraries}/jetcd-core-*.jar`).length > 0) return undefined;
  const fetch =
    'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DincludeScope=runtime';
  const how = `mvn -f test/interop/java/pom.xml ${fetch} -DoutputDirectory=$PWD/.peers/jetcd`;
  const why = `jetcd is not there (${how})`;
  if (process.env.CONCLAVE_PEERS === 'required') throw new Error(`${why}, and CONCLAVE_PEERS=required`);
  return why;
}
