/*
 * Named constants, written out as numbers in the compiled code.
 *
 * A constant of another module costs six machine instructions each time that it is used: V8 loads it through the module's cell, asks
 * whether it has been initialised, whether it is a small integer, and only then has the number; and it can never fold it. A
 * page fault uses some two hundred. Written out they cost nothing, and a fault is 15 to 20 % faster (docs/benchmarks.md).
 * A bundler would do this too; but the packages are shipped as modules, and the sources keep their names.
 *
 * Only `const` variables at the top of a file whose type is one number are written out. The declarations stay.
 */
import ts from 'typescript';

/** A transformer for the sources of the program that the checker belongs to. */
export function inlineConstants(checker) {
  return (context) => (file) => {
    const visit = (node) => {
      if (ts.isTypeNode(node) || ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node;
      if (ts.isShorthandPropertyAssignment(node)) {
        const value = constantOf(checker, checker.getShorthandAssignmentValueSymbol(node));
        return value === null
          ? node
          : context.factory.createPropertyAssignment(node.name, number(context.factory, value));
      }
      if (ts.isIdentifier(node) && isUse(node)) {
        const value = constantOf(checker, checker.getSymbolAtLocation(node));
        if (value !== null) return number(context.factory, value);
      }
      return ts.visitEachChild(node, visit, context);
    };
    return ts.visitNode(file, visit);
  };
}

/** Whether an identifier stands for a value, rather than naming a declaration, a property or a label. */
function isUse(node) {
  const { parent } = node;
  if (parent === undefined) return false;
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node;
  if (ts.isPropertyAssignment(parent)) return parent.initializer === node;
  if (ts.isVariableDeclaration(parent) || ts.isParameter(parent) || ts.isPropertyDeclaration(parent)) {
    return parent.initializer === node;
  }
  if (ts.isBindingElement(parent)) return parent.initializer === node;
  return ts.isExpression(parent) || ts.isStatement(parent) || ts.isCaseClause(parent) || ts.isTemplateSpan(parent);
}

/** The number that a symbol always is, or null. */
function constantOf(checker, symbol) {
  if (symbol === undefined) return null;
  const target = (symbol.flags & ts.SymbolFlags.Alias) !== 0 ? checker.getAliasedSymbol(symbol) : symbol;
  const declaration = target.valueDeclaration;
  if (declaration === undefined || !ts.isVariableDeclaration(declaration)) return null;
  const list = declaration.parent;
  const top = ts.isVariableStatement(list.parent) && ts.isSourceFile(list.parent.parent);
  if (!top || (list.flags & ts.NodeFlags.Const) === 0) return null;
  const type = checker.getTypeOfSymbol(target);
  return type.isNumberLiteral() ? type.value : null;
}

function number(factory, value) {
  const literal = factory.createNumericLiteral(Math.abs(value));
  if (value >= 0) return literal;
  return factory.createParenthesizedExpression(factory.createPrefixMinus(literal));
}
