/** What is read of Babel's path to a place in the source. */
interface Place {
  node: { type: string };
  parent: { type: string; callee?: { type: string; name?: string } } | null;
  listKey?: string;
  key: string | number | null;
}

/**
 * Leaves the sentence of a refusal, the second argument of `fail`, as it is. It is for people and may change: programs
 * read the code and the details, which are changed. A test that would notice could only repeat the sentence.
 */
const messages = {
  shouldIgnore({ node, parent, listKey, key }: Place): string | undefined {
    const isText = node.type === "StringLiteral" || node.type === "TemplateLiteral";
    const isOfFail = parent?.type === "CallExpression" && parent.callee?.name === "fail";
    return isText && isOfFail && listKey === "arguments" && key === 1 ? "a sentence for people" : undefined;
  },
};

/** As Stryker finds plugins. */
export const strykerPlugins = [{ kind: "Ignore", name: "messages", value: messages }];
